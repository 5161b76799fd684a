//! Owns the door through which a worker of the control plane's pool runs one job on one partition. Synchronous, and free of callbacks: it may
//! be called from any JavaScript environment of the process that has loaded the addon.

use crate::convert::{Code, Result, invalid, thrown, topic_id};
use millrace_broker::partition_io::{self, Job};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use std::collections::HashMap;

#[napi(object)]
pub struct PartitionIoJob {
    /// `recover` a partition, or `compact` the dirtiest one.
    pub kind: String,
    pub topic_id: Option<Uint8Array>,
    pub partition: Option<i32>,
}

/// Runs a job of the broker with this handle to its end. What it did, in figures by name.
#[napi]
pub fn partition_io(handle: u32, job: PartitionIoJob) -> Result<HashMap<String, f64>, Code> {
    let job = match job.kind.as_str() {
        "recover" => Job::Recover {
            topic_id: topic_id(job.topic_id.as_deref().unwrap_or_default())?,
            partition: job.partition.unwrap_or(-1),
        },
        "compact" => Job::Compact,
        other => return Err(invalid(format!("there is no job of kind {other}"))),
    };
    let figures = partition_io::run(handle, &job).map_err(thrown)?;
    Ok(figures
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect())
}
