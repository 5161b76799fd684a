//! Owns the produced batches of a partition that have to be looked into or written anew before they are appended, and whatever came behind
//! them. One worker at a time takes a partition's batches in order, so they reach the log in the order they came.
//! Never on a reactor but for handing a batch in.
//! Invariant: while a partition has such batches (`Partition::is_preparing`) every batch for it goes this way; each is answered once.
//! Limits: `PREPARING_BYTES_MAX` of batches in a data plane, above which produce requests wait unread; `DECOMPRESSED_BYTES_MAX` for what one
//! batch becomes, in each of a few threads.

use crate::apis::produce::{Explanation, PartResult, ProducePart};
use crate::inbox::Message;
use crate::metrics::Counter;
use crate::partition::{Effects, Partition, StagedBatch};
use crate::shared::{Shared, lock};
use millrace_host::clock;
use millrace_record::{BatchHeader, Preparation, prepare};
use millrace_replica::Acks;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Batches that wait to be prepared, in all partitions together.
pub const PREPARING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Appended together; then another partition gets its turn.
const ROUND_BYTES: usize = 1024 * 1024;

/// A batch on its way through a worker.
pub struct PrepareJob {
    pub batch: Vec<u8>,
    pub header: BatchHeader,
    pub part: ProducePart,
    pub acks: Acks,
    /// None: it only keeps its place behind others.
    pub preparation: Option<Preparation>,
}

/// The batches of one partition that are on this way.
#[derive(Default)]
pub struct Preparing {
    /// Handed in or about to be, until appended.
    count: AtomicUsize,
    queue: Mutex<PrepareQueue>,
}

#[derive(Default)]
struct PrepareQueue {
    waiting: VecDeque<PrepareJob>,
    is_running: bool,
}

impl Preparing {
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// A batch will be handed in at the end of the turn: from now on others line up behind it.
    pub fn announce(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

impl Shared {
    /// Whether no more batches are to be taken in for now.
    pub fn has_much_to_prepare(&self) -> bool {
        self.preparing_bytes.load(Ordering::Relaxed) > PREPARING_BYTES_MAX
    }

    /// Takes a batch that was announced.
    pub fn enqueue_preparation(self: &Arc<Self>, partition: &Arc<Partition>, job: PrepareJob) {
        self.preparing_bytes
            .fetch_add(job.batch.len(), Ordering::Relaxed);
        let starts = {
            let mut queue = lock(&partition.preparing.queue);
            queue.waiting.push_back(job);
            !std::mem::replace(&mut queue.is_running, true)
        };
        if starts {
            self.run_preparation(partition);
        }
    }

    fn run_preparation(self: &Arc<Self>, partition: &Arc<Partition>) {
        let (shared, partition) = (Arc::clone(self), Arc::clone(partition));
        let work = move || {
            let guarded = Arc::clone(&shared);
            guarded.guard("a batch thread", || run_round(&shared, &partition));
        };
        self.workers
            .execute(self.options.batch_threads, Box::new(work));
    }
}

/// Prepares and appends some of what waits, and comes back for the rest when others had their turn.
fn run_round(shared: &Arc<Shared>, partition: &Arc<Partition>) {
    let jobs = take_round(&mut lock(&partition.preparing.queue).waiting);
    let bytes: usize = jobs.iter().map(|job| job.batch.len()).sum();
    let count = jobs.len();
    let mut good = Vec::with_capacity(jobs.len());
    for mut job in jobs {
        let now_ms = clock::wall_ms();
        let outcome = match &mut job.preparation {
            None => Ok(None),
            Some(preparation) => {
                preparation.limits.now_ms = now_ms;
                prepare(&job.batch, preparation)
            }
        };
        match outcome {
            Ok(None) => good.push(job),
            Ok(Some(batch)) => {
                job.header = BatchHeader::parse(&batch).expect("just written");
                job.batch = batch;
                shared.other_metrics().count(Counter::RecodedBatchesTotal);
                good.push(job);
            }
            Err(error) => {
                let result = PartResult::of(&error.error, partition);
                let explanation = Explanation::of(job.part.part, &error);
                tell(shared, job.part, result, true, Some(Box::new(explanation)));
            }
        }
    }
    append(shared, partition, &mut good);
    shared.preparing_bytes.fetch_sub(bytes, Ordering::Relaxed);
    partition.preparing.count.fetch_sub(count, Ordering::AcqRel);
    let goes_on = {
        let mut queue = lock(&partition.preparing.queue);
        queue.is_running = !queue.waiting.is_empty();
        queue.is_running
    };
    if goes_on {
        shared.run_preparation(partition);
    }
}

fn take_round(waiting: &mut VecDeque<PrepareJob>) -> Vec<PrepareJob> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    while let Some(job) = waiting.pop_front() {
        bytes += job.batch.len();
        taken.push(job);
        if bytes >= ROUND_BYTES {
            break;
        }
    }
    taken
}

fn append(shared: &Arc<Shared>, partition: &Arc<Partition>, jobs: &mut [PrepareJob]) {
    if jobs.is_empty() {
        return;
    }
    let mut staged: Vec<StagedBatch<'_>> = jobs
        .iter_mut()
        .map(|job| StagedBatch {
            header: job.header,
            part: job.part,
            acks: job.acks,
            bytes: job.batch.as_mut_slice(),
        })
        .collect();
    let mut effects = Effects::default();
    partition.append_produced(&mut staged, clock::wall_ms(), &mut effects);
    for (part, result, is_acknowledged) in effects.results.drain(..) {
        tell(shared, part, result, is_acknowledged, None);
    }
    shared.other_metrics().add(
        Counter::DuplicateBatchesTotal,
        std::mem::take(&mut effects.duplicates),
    );
    let sync_need = std::mem::take(&mut effects.sync_need);
    shared.apply(&mut effects);
    shared.bring_about(sync_need, partition);
}

fn tell(
    shared: &Shared,
    part: ProducePart,
    result: PartResult,
    is_acknowledged: bool,
    explanation: Option<Box<Explanation>>,
) {
    shared.inboxes[usize::from(part.reactor)].push(Message::ProduceResult {
        part,
        result,
        is_acknowledged,
        explanation,
    });
}
