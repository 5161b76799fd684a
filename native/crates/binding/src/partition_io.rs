//! Owns the door through which a worker of the control plane's pool runs one job on one partition. Synchronous, and free of callbacks: it may
//! be called from any JavaScript environment of the process that has loaded the addon.

use crate::convert::{Code, Result, invalid, thrown, topic_id};
use millrace_broker::partition_io::{self, Job, JobKind};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use std::collections::HashMap;

#[napi(object)]
pub struct PartitionIoJob {
    /// `recover`
    pub kind: String,
    pub topic_id: Uint8Array,
    pub partition: i32,
}

/// Runs a job of the broker with this handle to its end. What it did, in figures by name.
#[napi]
pub fn partition_io(handle: u32, job: PartitionIoJob) -> Result<HashMap<String, f64>, Code> {
    let kind = match job.kind.as_str() {
        "recover" => JobKind::Recover,
        other => return Err(invalid(format!("there is no job of kind {other}"))),
    };
    let job = Job {
        kind,
        topic_id: topic_id(&job.topic_id)?,
        partition: job.partition,
    };
    let figures = partition_io::run(handle, &job).map_err(thrown)?;
    Ok(figures
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect())
}
