//! Owns appends of the control plane: queued per partition in the order they came, written on a sync thread so that neither JavaScript nor a
//! reactor waits for the disk, and acknowledged when written, or when synced if that was asked.
//! Invariant: the appends of one partition happen in the order they were asked for; each is answered exactly once.
//! Limit: `WAITING_JOBS` a partition; above it an append is answered at once with an error.

use crate::partition::{Effects, Partition};
use crate::shared::{Shared, lock};
use millrace_host::clock;
use millrace_record::{BatchHeader, validate_stored};
use millrace_wire::error_codes;
use std::collections::VecDeque;
use std::sync::Arc;

const WAITING_JOBS: usize = 100_000;

#[derive(Debug)]
pub struct AppendJob {
    pub token: u64,
    pub batch: Vec<u8>,
    pub wants_sync: bool,
}

#[derive(Debug, Default)]
pub struct AppendJobs {
    waiting: VecDeque<AppendJob>,
    is_running: bool,
}

/// A batch that was written: what its asker will hear.
#[derive(Debug, Clone, Copy)]
struct Written {
    token: u64,
    base_offset: i64,
    last_offset: i64,
}

impl Shared {
    /// Takes an append on. The answer comes as an event.
    pub fn enqueue_append(self: &Arc<Self>, partition: &Arc<Partition>, job: AppendJob) {
        if let Err(error) = validate_stored(&job.batch) {
            self.upcalls
                .append_done(job.token, error.kafka_code(), -1, -1);
            return;
        }
        let starts = {
            let mut jobs = lock(&partition.jobs);
            if jobs.waiting.len() >= WAITING_JOBS {
                drop(jobs);
                self.upcalls
                    .append_done(job.token, error_codes::THROTTLING_QUOTA_EXCEEDED, -1, -1);
                return;
            }
            jobs.waiting.push_back(job);
            !std::mem::replace(&mut jobs.is_running, true)
        };
        if starts {
            let (shared, partition) = (Arc::clone(self), Arc::clone(partition));
            self.execute(Box::new(move || run_jobs(&shared, &partition)));
        }
    }
}

/// Writes what waits, over and over until nothing does.
fn run_jobs(shared: &Arc<Shared>, partition: &Arc<Partition>) {
    loop {
        let jobs = {
            let mut jobs = lock(&partition.jobs);
            if jobs.waiting.is_empty() {
                jobs.is_running = false;
                return;
            }
            std::mem::take(&mut jobs.waiting)
        };
        write_jobs(shared, partition, jobs.into());
    }
}

fn write_jobs(shared: &Arc<Shared>, partition: &Arc<Partition>, mut jobs: Vec<AppendJob>) {
    let mut effects = Effects::default();
    let wants_sync = jobs.iter().any(|job| job.wants_sync);
    let spans: Vec<i64> = jobs.iter().map(|job| span_of(&job.batch)).collect();
    let mut slices: Vec<&mut [u8]> = jobs
        .iter_mut()
        .map(|job| job.batch.as_mut_slice())
        .collect();
    let appended =
        partition.append_internal(&mut slices, wants_sync, clock::wall_ms(), &mut effects);
    let sync_need = std::mem::take(&mut effects.sync_need);
    shared.apply(&mut effects);
    let info = match appended {
        Ok(info) => info,
        Err(error_code) => {
            for job in &jobs {
                shared.upcalls.append_done(job.token, error_code, -1, -1);
            }
            return;
        }
    };
    let mut base_offset = info.base_offset;
    let mut to_sync = Vec::new();
    for (job, span) in jobs.iter().zip(spans) {
        let written = Written {
            token: job.token,
            base_offset,
            last_offset: base_offset + span - 1,
        };
        base_offset += span;
        if job.wants_sync {
            to_sync.push(written);
        } else {
            shared.upcalls.append_done(
                written.token,
                error_codes::NONE,
                written.base_offset,
                written.last_offset,
            );
        }
    }
    if !to_sync.is_empty() {
        let owner = Arc::clone(shared);
        partition.request_sync(
            shared,
            Some(Box::new(move |result| {
                let error_code = result.err().unwrap_or(error_codes::NONE);
                for written in to_sync {
                    let (base_offset, last_offset) = if error_code == 0 {
                        (written.base_offset, written.last_offset)
                    } else {
                        (-1, -1)
                    };
                    owner
                        .upcalls
                        .append_done(written.token, error_code, base_offset, last_offset);
                }
            })),
        );
    } else {
        shared.bring_about(sync_need, partition);
    }
}

/// Offsets a batch takes.
fn span_of(batch: &[u8]) -> i64 {
    let header = BatchHeader::parse(batch).expect("checked before it was queued");
    i64::from(header.last_offset_delta) + 1
}
