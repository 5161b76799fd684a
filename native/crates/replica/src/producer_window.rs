//! Owns the idempotent producers of one partition: epoch and last five batches of each.
//! Never reads the log or the clock; offsets are the ones the caller is about to give the batch.
//! Invariant: the batches of one producer are contiguous in sequence and rise in offset.
//! Limits: `capacity` producers (the one silent for longest is forgotten), `WINDOW_BATCHES` batches each, expiry by silence.
//!
//! An append is tried in a step that can be undone: `begin`, then `admit` per batch, then nothing (kept) or `rollback`
//! when the write failed.

use hashbrown::HashMap;

/// Kafka keeps as many batches as a producer may have in flight (max.in.flight.requests.per.connection ≤ 5).
pub const WINDOW_BATCHES: usize = 5;

const NONE: u32 = u32::MAX;

/// The facts of one batch that idempotence rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerAppend {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub last_sequence: i32,
    pub base_offset: i64,
    pub last_offset: i64,
    pub timestamp: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Append,
    /// Already in the log, or earlier in this very step: answer with the offsets it has.
    Duplicate {
        base_offset: i64,
        last_offset: i64,
        timestamp: i64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProducerError {
    /// INVALID_PRODUCER_EPOCH: a newer incarnation of this producer wrote here.
    StaleEpoch { current: i16 },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER: there is a gap before this batch.
    OutOfOrder { last_sequence: i32 },
    /// DUPLICATE_SEQUENCE_NUMBER: older than the window, so its offset is no longer known.
    BeforeWindow { last_sequence: i32 },
}

/// One producer as it is written to and read from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerState {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub last_sequence: i32,
    pub last_offset: i64,
    pub offset_delta: i32,
    pub timestamp: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Batch {
    last_sequence: i32,
    offset_delta: i32,
    last_offset: i64,
    timestamp: i64,
}

impl Batch {
    fn base_sequence(&self) -> i32 {
        sequence_before(self.last_sequence, self.offset_delta)
    }

    fn base_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

#[derive(Debug, Clone, Copy)]
struct Producer {
    producer_id: i64,
    last_seen_ms: i64,
    producer_epoch: i16,
    batch_count: u8,
    batches: [Batch; WINDOW_BATCHES],
}

impl Producer {
    fn batches(&self) -> &[Batch] {
        &self.batches[..usize::from(self.batch_count)]
    }

    fn last(&self) -> Option<&Batch> {
        self.batches().last()
    }

    fn push(&mut self, append: &ProducerAppend, now_ms: i64) {
        if append.producer_epoch != self.producer_epoch {
            self.producer_epoch = append.producer_epoch;
            self.batch_count = 0;
        }
        if usize::from(self.batch_count) == WINDOW_BATCHES {
            self.batches.copy_within(1.., 0);
            self.batch_count -= 1;
        }
        self.batches[usize::from(self.batch_count)] = Batch {
            last_sequence: append.last_sequence,
            offset_delta: i32::try_from(append.last_offset - append.base_offset)
                .expect("a batch spans less than 2^31 offsets"),
            last_offset: append.last_offset,
            timestamp: append.timestamp,
        };
        self.batch_count += 1;
        self.last_seen_ms = now_ms;
    }

    fn duplicate_of(&self, append: &ProducerAppend) -> Option<&Batch> {
        let same = |batch: &&Batch| {
            batch.last_sequence == append.last_sequence
                && batch.base_sequence() == append.base_sequence
        };
        if append.producer_epoch == self.producer_epoch {
            self.batches().iter().find(same)
        } else {
            None
        }
    }

    fn check(&self, append: &ProducerAppend) -> Result<(), ProducerError> {
        if append.producer_epoch < self.producer_epoch {
            return Err(ProducerError::StaleEpoch {
                current: self.producer_epoch,
            });
        }
        let Some(last) = self.last() else {
            return Ok(());
        };
        let last_sequence = last.last_sequence;
        if append.producer_epoch > self.producer_epoch {
            // KIP-360: a newer epoch starts its sequence again, and only at 0.
            return if append.base_sequence == 0 {
                Ok(())
            } else {
                Err(ProducerError::OutOfOrder { last_sequence })
            };
        }
        if append.base_sequence == sequence_after(last_sequence, 1) {
            return Ok(());
        }
        let oldest = self.batches()[0].base_sequence();
        if is_before(append.last_sequence, oldest) {
            Err(ProducerError::BeforeWindow { last_sequence })
        } else {
            Err(ProducerError::OutOfOrder { last_sequence })
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Node {
    producer: Producer,
    newer: u32,
    older: u32,
}

#[derive(Debug)]
pub struct ProducerWindow {
    index_of: HashMap<i64, u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    capacity: usize,
    expiration_ms: i64,
    /// What the producers touched since `begin` looked like before; replayed backwards by `rollback`.
    undo: Vec<(i64, Option<Producer>)>,
}

impl ProducerWindow {
    pub fn new(capacity: usize, expiration_ms: i64) -> ProducerWindow {
        assert!(capacity > 0, "a window remembers at least one producer");
        ProducerWindow {
            index_of: HashMap::new(),
            nodes: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            capacity,
            expiration_ms,
            undo: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.index_of.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index_of.is_empty()
    }

    /// Starts a step: what is admitted from here on can be taken back by `rollback`.
    pub fn begin(&mut self) {
        self.undo.clear();
    }

    /// Decides one batch and remembers it when it is to be appended at the offsets it names.
    pub fn admit(
        &mut self,
        append: &ProducerAppend,
        now_ms: i64,
    ) -> Result<Admission, ProducerError> {
        assert!(
            append.producer_id >= 0,
            "only a batch with a producer id is admitted here"
        );
        let before = self
            .index_of
            .get(&append.producer_id)
            .map(|&index| self.nodes[index as usize].producer);
        if let Some(producer) = &before {
            if let Some(batch) = producer.duplicate_of(append) {
                return Ok(Admission::Duplicate {
                    base_offset: batch.base_offset(),
                    last_offset: batch.last_offset,
                    timestamp: batch.timestamp,
                });
            }
            producer.check(append)?;
        }
        // No state for this id: any first sequence is taken, as state may have been lost with deleted records.
        self.undo.push((append.producer_id, before));
        self.remember(append, now_ms);
        Ok(Admission::Append)
    }

    /// Takes back everything admitted since `begin`: the write failed and those offsets do not exist.
    pub fn rollback(&mut self) {
        while let Some((producer_id, before)) = self.undo.pop() {
            match before {
                None => self.forget(producer_id),
                // A producer evicted to make room in the same step is not restored: forgetting is always allowed.
                Some(producer) => {
                    if let Some(&index) = self.index_of.get(&producer_id) {
                        self.nodes[index as usize].producer = producer;
                    }
                }
            }
        }
    }

    /// A batch found in the log while opening it. The log is the truth, so nothing is checked.
    pub fn replay(&mut self, append: &ProducerAppend, now_ms: i64) {
        if let Some(&index) = self.index_of.get(&append.producer_id) {
            let producer = &mut self.nodes[index as usize].producer;
            let follows = producer
                .last()
                .is_none_or(|last| append.base_sequence == sequence_after(last.last_sequence, 1));
            if append.producer_epoch != producer.producer_epoch || !follows {
                producer.batch_count = 0;
            }
        }
        self.remember(append, now_ms);
    }

    /// A producer found in a snapshot.
    pub fn restore(&mut self, state: &ProducerState, now_ms: i64) {
        self.forget(state.producer_id);
        let base_sequence = sequence_before(state.last_sequence, state.offset_delta);
        self.remember(
            &ProducerAppend {
                producer_id: state.producer_id,
                producer_epoch: state.producer_epoch,
                base_sequence,
                last_sequence: state.last_sequence,
                base_offset: state.last_offset - i64::from(state.offset_delta),
                last_offset: state.last_offset,
                timestamp: state.timestamp,
            },
            now_ms,
        );
    }

    /// Every producer with its newest batch, the longest silent one first.
    pub fn states(&self) -> impl Iterator<Item = ProducerState> + '_ {
        let mut next = self.oldest;
        std::iter::from_fn(move || {
            let node = self.nodes.get(next as usize)?;
            next = node.newer;
            let last = node
                .producer
                .last()
                .expect("a remembered producer has a batch");
            Some(ProducerState {
                producer_id: node.producer.producer_id,
                producer_epoch: node.producer.producer_epoch,
                last_sequence: last.last_sequence,
                last_offset: last.last_offset,
                offset_delta: last.offset_delta,
                timestamp: last.timestamp,
            })
        })
    }

    /// Forgets the producers silent since before `now_ms - expiration_ms`. The list is in order of silence, so this stops early.
    pub fn expire(&mut self, now_ms: i64) -> usize {
        let mut expired = 0;
        while let Some(node) = self.nodes.get(self.oldest as usize) {
            if now_ms - node.producer.last_seen_ms < self.expiration_ms {
                break;
            }
            let producer_id = node.producer.producer_id;
            self.forget(producer_id);
            expired += 1;
        }
        expired
    }

    fn remember(&mut self, append: &ProducerAppend, now_ms: i64) {
        let index = match self.index_of.get(&append.producer_id) {
            Some(&index) => {
                self.unlink(index);
                index
            }
            None => self.insert(append),
        };
        self.nodes[index as usize].producer.push(append, now_ms);
        self.link_newest(index);
    }

    fn insert(&mut self, append: &ProducerAppend) -> u32 {
        if self.index_of.len() >= self.capacity {
            let oldest_id = self.nodes[self.oldest as usize].producer.producer_id;
            self.forget(oldest_id);
        }
        let producer = Producer {
            producer_id: append.producer_id,
            last_seen_ms: 0,
            producer_epoch: append.producer_epoch,
            batch_count: 0,
            batches: [Batch::default(); WINDOW_BATCHES],
        };
        let node = Node {
            producer,
            newer: NONE,
            older: NONE,
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                index
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 producers")
            }
        };
        self.index_of.insert(append.producer_id, index);
        index
    }

    fn forget(&mut self, producer_id: i64) {
        if let Some(index) = self.index_of.remove(&producer_id) {
            self.unlink(index);
            // A freed node must not show up in a walk from an old link.
            self.nodes[index as usize].newer = NONE;
            self.nodes[index as usize].older = NONE;
            self.free.push(index);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Node { newer, older, .. } = self.nodes[index as usize];
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, index: u32) {
        let previous = self.newest;
        self.nodes[index as usize].older = previous;
        self.nodes[index as usize].newer = NONE;
        match self.nodes.get_mut(previous as usize) {
            Some(node) => node.newer = index,
            None => self.oldest = index,
        }
        self.newest = index;
    }
}

/// Sequences live in `0..=i32::MAX` and wrap from the top to 0.
fn sequence_after(sequence: i32, steps: i32) -> i32 {
    ((i64::from(sequence) + i64::from(steps)) & i64::from(i32::MAX)) as i32
}

fn sequence_before(sequence: i32, steps: i32) -> i32 {
    ((i64::from(sequence) - i64::from(steps)) & i64::from(i32::MAX)) as i32
}

/// Whether `sequence` lies in the half of the circle behind `mark`.
fn is_before(sequence: i32, mark: i32) -> bool {
    let behind = sequence_before(mark, sequence);
    behind > 0 && behind <= i32::MAX / 2
}

#[cfg(test)]
#[path = "producer_window_tests.rs"]
mod tests;
