//! Owns one log directory by itself, without partitions and clients around it: the controller's metadata log, later the embedded log store.
//! Appends run on a thread of its own, all that wait in one write and one sync, so that its owner never waits for the disk.
//! Invariant: appends happen in the order they were asked for, and each is answered exactly once. On a full disk they wait for space: their
//! owner has acted on them already, and losing them would be its end.

use crate::error::BrokerError;
use crate::shared::lock;
use crate::upcall::{UpcallQueue, Wake};
use millrace_host::clock;
use millrace_host::disk::posix::PosixDisk;
use millrace_log::{AppendError, Log, LogConfig, OpenHints, ReadError, Uuid};
use millrace_record::{BatchHeader, validate_stored};
use millrace_wire::error_codes;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Completions are small; this is never reached by an owner that takes them.
const COMPLETION_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Kept free for the records that it takes to get some space: deletions of topics, settings.
const SPACE_ASIDE_BYTES: u64 = 256 * 1024;
/// How long a full disk is left alone before it is tried again.
const FULL_DISK_RETRY: Duration = Duration::from_millis(100);

type Outcome = Result<(i64, i64), i16>;

struct Job {
    token: u64,
    batch: Vec<u8>,
    leader_epoch: i32,
    wants_sync: bool,
    /// Someone waits right here instead of for an event.
    reply: Option<SyncSender<Outcome>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Job>,
    is_stopping: bool,
}

struct Inner {
    log: Mutex<Log<PosixDisk>>,
    queue: Mutex<Queue>,
    arrived: Condvar,
    completions: UpcallQueue,
}

pub struct BareLog {
    inner: Arc<Inner>,
    worker: Mutex<Option<JoinHandle<()>>>,
    next_token: AtomicU64,
}

impl BareLog {
    /// Opens the directory, creating it if there is none; what lies in it is checked as after an unclean stop.
    pub fn open(
        dir: &Path,
        config: LogConfig,
        topic_id: Option<[u8; 16]>,
        wake: Wake,
    ) -> Result<BareLog, BrokerError> {
        let hints = OpenHints {
            topic_id: topic_id.map(Uuid),
            ..OpenHints::default()
        };
        let log = Log::open(PosixDisk, dir, config, hints, clock::wall_ms())
            .map_err(|error| BrokerError::new("UNREADABLE", error.to_string()))?;
        let inner = Arc::new(Inner {
            log: Mutex::new(log),
            queue: Mutex::default(),
            arrived: Condvar::new(),
            completions: UpcallQueue::new(COMPLETION_BYTES_MAX, wake),
        });
        let works = Arc::clone(&inner);
        let worker = std::thread::Builder::new()
            .name("millrace-log".to_string())
            .spawn(move || works.work());
        let worker = worker.map_err(|error| BrokerError::io("cannot start a thread", &error))?;
        Ok(BareLog {
            inner,
            worker: Mutex::new(Some(worker)),
            next_token: AtomicU64::new(1),
        })
    }

    /// Answers a token at once; the outcome comes as a completion.
    pub fn append(
        &self,
        batch: Vec<u8>,
        leader_epoch: i32,
        wants_sync: bool,
    ) -> Result<u64, BrokerError> {
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        self.enqueue(Job {
            token,
            batch,
            leader_epoch,
            wants_sync,
            reply: None,
        })?;
        Ok(token)
    }

    /// Appends, syncs, and answers the base offset. Blocks.
    pub fn append_sync(&self, batch: Vec<u8>, leader_epoch: i32) -> Result<i64, BrokerError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.enqueue(Job {
            token: 0,
            batch,
            leader_epoch,
            wants_sync: true,
            reply: Some(reply),
        })?;
        match answer.recv() {
            Ok(Ok((base_offset, _))) => Ok(base_offset),
            Ok(Err(error_code)) => Err(BrokerError::kafka(error_code, "cannot append")),
            Err(_) => Err(closed()),
        }
    }

    pub fn take_completions(&self) -> Option<Vec<u8>> {
        self.inner.completions.take(usize::MAX).0
    }

    /// Whole batches from the one that holds `offset`; empty at the log end.
    pub fn read(&self, offset: i64, max_bytes: u32) -> Result<Vec<u8>, BrokerError> {
        let slice = {
            let mut log = lock(&self.inner.log);
            let log_end_offset = log.log_end_offset();
            log.read(offset, max_bytes, log_end_offset, true)
                .map_err(|error| unreadable(&error))?
        };
        match slice {
            Some(slice) => slice
                .to_vec()
                .map_err(|error| BrokerError::io("cannot read the log", &error)),
            None => Ok(Vec::new()),
        }
    }

    pub fn start_offset(&self) -> i64 {
        lock(&self.inner.log).log_start_offset()
    }

    pub fn end_offset(&self) -> i64 {
        lock(&self.inner.log).log_end_offset()
    }

    pub fn delete_before(&self, offset: i64) -> Result<(), BrokerError> {
        let mut log = lock(&self.inner.log);
        log.delete_records_before(offset, clock::wall_ms())
            .map(|_| ())
            .map_err(|error| unreadable(&error))
    }

    /// Drops everything and goes on, empty, at `offset`.
    pub fn start_at(&self, offset: i64) -> Result<(), BrokerError> {
        if offset < 0 {
            return Err(BrokerError::new(
                "INVALID_OFFSET",
                "offsets are never negative",
            ));
        }
        lock(&self.inner.log)
            .truncate_fully(offset, clock::wall_ms())
            .map_err(|error| unreadable(&error))
    }

    pub fn truncate(&self, offset: i64) -> Result<(), BrokerError> {
        lock(&self.inner.log)
            .truncate(offset, clock::wall_ms())
            .map(|_| ())
            .map_err(|error| unreadable(&error))
    }

    /// Finishes what waits, syncs and closes. Idempotent.
    pub fn close(&self) -> Result<(), BrokerError> {
        let Some(worker) = lock(&self.worker).take() else {
            return Ok(());
        };
        lock(&self.inner.queue).is_stopping = true;
        self.inner.arrived.notify_all();
        // A panic there was reported where it happened; closing the log says whether it is in doubt.
        let _ = worker.join();
        lock(&self.inner.log)
            .close(true)
            .map(|_| ())
            .map_err(|error| BrokerError::new("IO", error.to_string()))
    }

    fn enqueue(&self, job: Job) -> Result<(), BrokerError> {
        let mut queue = lock(&self.inner.queue);
        if queue.is_stopping {
            return Err(closed());
        }
        queue.waiting.push(job);
        drop(queue);
        self.inner.arrived.notify_one();
        Ok(())
    }
}

impl Drop for BareLog {
    fn drop(&mut self) {
        // Nobody is left to hear an error.
        let _ = self.close();
    }
}

impl Inner {
    fn work(&self) {
        while let Some(jobs) = self.next_jobs() {
            self.write(jobs);
        }
    }

    fn next_jobs(&self) -> Option<Vec<Job>> {
        let queue = lock(&self.queue);
        let mut queue = self
            .arrived
            .wait_while(queue, |queue| {
                queue.waiting.is_empty() && !queue.is_stopping
            })
            .unwrap_or_else(PoisonError::into_inner);
        if queue.waiting.is_empty() {
            None
        } else {
            Some(std::mem::take(&mut queue.waiting))
        }
    }

    /// Writes what came together, run by run of one leader epoch, then syncs once, without the lock.
    fn write(&self, mut jobs: Vec<Job>) {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(jobs.len());
        for run in jobs.chunk_by_mut(|left, right| left.leader_epoch == right.leader_epoch) {
            while !append_run(&mut lock(&self.log), run, &mut outcomes) {
                if run.iter().any(|job| job.reply.is_some()) || !self.wait_for_space() {
                    outcomes.extend(run.iter().map(|_| Err(error_codes::KAFKA_STORAGE_ERROR)));
                    break;
                }
            }
        }
        lock(&self.log).set_space_aside(SPACE_ASIDE_BYTES);
        let synced = if jobs.iter().any(|job| job.wants_sync) {
            self.sync(jobs.iter().all(|job| job.reply.is_none()))
        } else {
            Ok(())
        };
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            let outcome = if job.wants_sync {
                outcome.and_then(|offsets| synced.map(|()| offsets))
            } else {
                outcome
            };
            self.answer(job, outcome);
        }
    }

    /// Syncs everything written. A disk too full for the small files beside the log is waited for, if that may be.
    fn sync(&self, may_wait: bool) -> Result<(), i16> {
        loop {
            let target = lock(&self.log)
                .sync_target()
                .map_err(|error| error.kafka_code())?;
            let Some(target) = target else {
                return Ok(());
            };
            match target.request.perform(&PosixDisk) {
                Ok(()) => {
                    lock(&self.log).mark_synced(target.mark);
                    return Ok(());
                }
                Err(failure) if failure.is_out_of_space && may_wait && self.wait_for_space() => {}
                Err(failure) => {
                    if !failure.is_out_of_space {
                        lock(&self.log).mark_sync_failed();
                    }
                    return Err(error_codes::KAFKA_STORAGE_ERROR);
                }
            }
        }
    }

    /// False when the log is closing: then nobody waits any longer.
    fn wait_for_space(&self) -> bool {
        let queue = lock(&self.queue);
        let (queue, _) = self
            .arrived
            .wait_timeout_while(queue, FULL_DISK_RETRY, |queue| !queue.is_stopping)
            .unwrap_or_else(PoisonError::into_inner);
        !queue.is_stopping
    }

    fn answer(&self, job: Job, outcome: Outcome) {
        match job.reply {
            // Its asker waits, or has gone and does not care.
            Some(reply) => drop(reply.send(outcome)),
            None => match outcome {
                Ok((base_offset, last_offset)) => self.completions.append_done(
                    job.token,
                    error_codes::NONE,
                    base_offset,
                    last_offset,
                ),
                Err(error_code) => self.completions.append_done(job.token, error_code, -1, -1),
            },
        }
    }
}

/// Appends jobs of one epoch: the sound ones together, each with its own answer. False, and no answers, when the disk is full: the log is as
/// it was, and the same may be tried again.
fn append_run(log: &mut Log<PosixDisk>, run: &mut [Job], outcomes: &mut Vec<Outcome>) -> bool {
    let leader_epoch = run[0].leader_epoch;
    let checked: Vec<Result<BatchHeader, i16>> = run
        .iter()
        .map(|job| validate_stored(&job.batch).map_err(|error| error.kafka_code()))
        .collect();
    let mut slices: Vec<&mut [u8]> = run
        .iter_mut()
        .zip(&checked)
        .filter(|(_, checked)| checked.is_ok())
        .map(|(job, _)| job.batch.as_mut_slice())
        .collect();
    let appended = if slices.is_empty() {
        Ok(0)
    } else {
        log.append(&mut slices, leader_epoch, clock::wall_ms())
            .map(|info| info.base_offset)
    };
    if let Err(AppendError::Storage(error)) = &appended
        && error.is_out_of_space()
        && !log.is_fenced()
    {
        return false;
    }
    let mut next_offset = appended.as_ref().copied().unwrap_or(-1);
    for checked in checked {
        outcomes.push(match (checked, &appended) {
            (Err(error_code), _) => Err(error_code),
            (Ok(_), Err(error)) => Err(error.kafka_code()),
            (Ok(header), Ok(_)) => {
                let base_offset = next_offset;
                next_offset += i64::from(header.last_offset_delta) + 1;
                Ok((base_offset, next_offset - 1))
            }
        });
    }
    true
}

fn closed() -> BrokerError {
    BrokerError::new("CLOSED", "the log is closed")
}

fn unreadable(error: &ReadError) -> BrokerError {
    let code = match error {
        ReadError::OffsetOutOfRange { .. } => "OFFSET_OUT_OF_RANGE",
        ReadError::Corrupt { .. } => "CORRUPT",
        ReadError::Storage(_) => "IO",
    };
    BrokerError::new(code, error.to_string())
}
