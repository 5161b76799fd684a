//! Owns the producers of one partition: epoch, last five batches and open transaction of each.
//! Never reads the log or the clock; offsets are the ones the caller is about to give the batch.
//! Invariant: the batches of one producer are contiguous in sequence and rise in offset; the table says what the log holds, never what was
//! only asked for.
//! Limits: `capacity` producers without an open transaction (the one silent for longest is forgotten), `WINDOW_BATCHES` batches each, expiry
//! by silence. A producer with an open transaction stays until its marker comes: each has cost a batch in the log.
//!
//! An append is tried in a step: `begin`, then `admit` per batch, which sees what the step admitted before it. What is then written comes
//! back by `apply`; what is not leaves no trace.

mod producer;

use hashbrown::HashMap;
use millrace_record::BatchHeader;
use millrace_record::control::TransactionMarker;

use crate::open_transactions::{CompletedTransaction, OpenTransactions};
use crate::producer_snapshot::ProducerSnapshotEntry;
use producer::{
    Batch, NO_COORDINATOR_EPOCH, NO_TRANSACTION, Producer, sequence_after, snapshot_entry,
};

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
    pub is_transactional: bool,
}

impl From<&BatchHeader> for ProducerAppend {
    fn from(header: &BatchHeader) -> ProducerAppend {
        ProducerAppend {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp: header.max_timestamp,
            is_transactional: header.is_transactional(),
        }
    }
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
    /// INVALID_TXN_STATE: the producer's open transaction takes transactional batches only.
    OutsideTransaction,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    producer: Producer,
    newer: u32,
    older: u32,
}

#[derive(Debug)]
pub struct Producers {
    index_of: HashMap<i64, u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Ends of the list of producers without an open transaction, in order of silence.
    newest: u32,
    oldest: u32,
    linked: usize,
    capacity: usize,
    expiration_ms: i64,
    open: OpenTransactions,
    /// The producers the step under way touches, as they would be after it.
    step: Vec<Producer>,
}

impl Producers {
    pub fn new(capacity: usize, expiration_ms: i64) -> Producers {
        assert!(capacity > 0, "a table remembers at least one producer");
        Producers {
            index_of: HashMap::new(),
            nodes: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            linked: 0,
            capacity,
            expiration_ms,
            open: OpenTransactions::default(),
            step: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.index_of.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index_of.is_empty()
    }

    /// Where the oldest open transaction begins: nothing from there on is stable.
    pub fn first_open_offset(&self) -> Option<i64> {
        self.open.first_offset()
    }

    /// Whether any remembered producer has ever written a transaction here.
    pub fn has_transactional(&self) -> bool {
        self.open.first_offset().is_some()
            || self.index_of.values().any(|&index| {
                self.nodes[index as usize].producer.coordinator_epoch != NO_COORDINATOR_EPOCH
            })
    }

    /// Starts a step.
    pub fn begin(&mut self) {
        self.step.clear();
    }

    /// Decides one batch that is to be appended at the offsets it names, behind those the step admitted already.
    pub fn admit(
        &mut self,
        append: &ProducerAppend,
        now_ms: i64,
    ) -> Result<Admission, ProducerError> {
        assert!(
            append.producer_id >= 0,
            "only a batch with a producer id is admitted here"
        );
        let place = self
            .step
            .iter()
            .position(|producer| producer.producer_id == append.producer_id);
        let known = match place {
            Some(place) => Some(self.step[place]),
            None => self
                .index_of
                .get(&append.producer_id)
                .map(|&index| self.nodes[index as usize].producer),
        };
        if let Some(producer) = &known {
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
        let mut producer =
            known.unwrap_or_else(|| Producer::new(append.producer_id, append.producer_epoch));
        producer.push(append, now_ms);
        if append.is_transactional && !producer.has_transaction() {
            producer.txn_first_offset = append.base_offset;
        }
        match place {
            Some(place) => self.step[place] = producer,
            None => self.step.push(producer),
        }
        Ok(Admission::Append)
    }

    /// Takes note of a batch that lies in the log. The log is the truth, so nothing is checked. `marker` is what a control batch says.
    pub fn apply(
        &mut self,
        header: &BatchHeader,
        marker: Option<TransactionMarker>,
        now_ms: i64,
    ) -> Option<CompletedTransaction> {
        if !header.has_producer_id() {
            return None;
        }
        if header.is_control() {
            return self.apply_marker(header, marker?, now_ms);
        }
        if header.base_sequence >= 0 {
            self.apply_batch(&ProducerAppend::from(header), now_ms);
        }
        None
    }

    pub(crate) fn apply_batch(&mut self, append: &ProducerAppend, now_ms: i64) {
        let index = self.take(append.producer_id, append.producer_epoch);
        let producer = &mut self.nodes[index as usize].producer;
        let follows = producer
            .last()
            .is_none_or(|last| append.base_sequence == sequence_after(last.last_sequence, 1));
        if !follows {
            producer.batch_count = 0;
        }
        producer.push(append, now_ms);
        if append.is_transactional && !producer.has_transaction() {
            producer.txn_first_offset = append.base_offset;
            self.open.begin(append.producer_id, append.base_offset);
        }
        self.put_back(index);
    }

    fn apply_marker(
        &mut self,
        header: &BatchHeader,
        marker: TransactionMarker,
        now_ms: i64,
    ) -> Option<CompletedTransaction> {
        let index = self.take(header.producer_id, header.producer_epoch);
        let producer = &mut self.nodes[index as usize].producer;
        // With TV2 the marker carries the epoch the producer goes on with.
        producer.enter_epoch(header.producer_epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.timestamp = header.max_timestamp;
        producer.last_seen_ms = now_ms;
        producer.txn_first_offset = NO_TRANSACTION;
        self.put_back(index);
        self.open
            .complete(header.producer_id, header.base_offset, !marker.is_commit)
    }

    /// A producer found in a snapshot. How long it has been silent is not known, so its silence begins now.
    pub fn restore(&mut self, entry: &ProducerSnapshotEntry, now_ms: i64) {
        self.forget(entry.producer_id);
        let index = self.take(entry.producer_id, entry.producer_epoch);
        let producer = &mut self.nodes[index as usize].producer;
        if entry.last_offset >= 0 && entry.last_sequence >= 0 && entry.offset_delta >= 0 {
            producer.batches[0] = Batch {
                last_sequence: entry.last_sequence,
                offset_delta: entry.offset_delta,
                last_offset: entry.last_offset,
                timestamp: entry.timestamp,
            };
            producer.batch_count = 1;
        }
        producer.coordinator_epoch = entry.coordinator_epoch;
        producer.timestamp = entry.timestamp;
        producer.last_seen_ms = now_ms;
        if entry.current_txn_first_offset >= 0 {
            producer.txn_first_offset = entry.current_txn_first_offset;
            self.open
                .begin(entry.producer_id, entry.current_txn_first_offset);
        }
        self.put_back(index);
    }

    /// Every producer with its newest batch: the longest silent one first, those with an open transaction last.
    pub fn entries(&self) -> impl Iterator<Item = ProducerSnapshotEntry> + '_ {
        let mut next = self.oldest;
        let linked = std::iter::from_fn(move || {
            let node = self.nodes.get(next as usize)?;
            next = node.newer;
            Some(snapshot_entry(&node.producer))
        });
        let open = self
            .open
            .producer_ids()
            .filter_map(|producer_id| self.index_of.get(&producer_id))
            .map(|&index| snapshot_entry(&self.nodes[index as usize].producer));
        linked.chain(open)
    }

    /// Forgets the producers silent since before `now_ms - expiration_ms`. The list is in order of silence, so this stops early.
    pub fn expire(&mut self, now_ms: i64) -> usize {
        let mut expired = 0;
        while let Some(node) = self.nodes.get(self.oldest as usize) {
            if now_ms.saturating_sub(node.producer.last_seen_ms) < self.expiration_ms {
                break;
            }
            let producer_id = node.producer.producer_id;
            self.forget(producer_id);
            expired += 1;
        }
        expired
    }

    pub(crate) fn set_expiration(&mut self, expiration_ms: i64) {
        self.expiration_ms = expiration_ms;
    }

    /// The producer's node, out of the list; a new one if it is not known.
    fn take(&mut self, producer_id: i64, producer_epoch: i16) -> u32 {
        if let Some(&index) = self.index_of.get(&producer_id) {
            if !self.nodes[index as usize].producer.has_transaction() {
                self.unlink(index);
            }
            return index;
        }
        if self.linked >= self.capacity {
            let oldest_id = self.nodes[self.oldest as usize].producer.producer_id;
            self.forget(oldest_id);
        }
        let node = Node {
            producer: Producer::new(producer_id, producer_epoch),
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
        self.index_of.insert(producer_id, index);
        index
    }

    /// Back at the young end of the list, unless a transaction keeps it.
    fn put_back(&mut self, index: u32) {
        if !self.nodes[index as usize].producer.has_transaction() {
            self.link_newest(index);
        }
    }

    fn forget(&mut self, producer_id: i64) {
        if let Some(index) = self.index_of.remove(&producer_id) {
            if self.nodes[index as usize].producer.has_transaction() {
                self.open.complete(producer_id, 0, false);
            } else {
                self.unlink(index);
            }
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
        self.linked -= 1;
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
        self.linked += 1;
    }
}

#[cfg(test)]
#[path = "producers_tests.rs"]
mod tests;
