//! Owns one producer: its epoch, its last five batches, its open transaction; and what its history says of a next batch.

use millrace_record::{NO_SEQUENCE, NO_TIMESTAMP};

use super::{ProducerAppend, ProducerError};
use crate::producer_snapshot::ProducerSnapshotEntry;

/// Kafka keeps as many batches as a producer may have in flight (max.in.flight.requests.per.connection ≤ 5).
pub const WINDOW_BATCHES: usize = 5;

pub(super) const NO_TRANSACTION: i64 = -1;
pub(super) const NO_COORDINATOR_EPOCH: i32 = -1;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Batch {
    pub(super) last_sequence: i32,
    pub(super) offset_delta: i32,
    pub(super) last_offset: i64,
    pub(super) timestamp: i64,
}

impl Batch {
    pub(super) fn base_sequence(&self) -> i32 {
        sequence_before(self.last_sequence, self.offset_delta)
    }

    pub(super) fn base_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Producer {
    pub(super) producer_id: i64,
    pub(super) last_seen_ms: i64,
    /// Of the last batch or marker.
    pub(super) timestamp: i64,
    /// -1 when no transaction is open.
    pub(super) txn_first_offset: i64,
    /// Of the last marker, -1 before the first.
    pub(super) coordinator_epoch: i32,
    pub(super) producer_epoch: i16,
    pub(super) batch_count: u8,
    pub(super) batches: [Batch; WINDOW_BATCHES],
}

impl Producer {
    pub(super) fn new(producer_id: i64, producer_epoch: i16) -> Producer {
        Producer {
            producer_id,
            last_seen_ms: 0,
            timestamp: NO_TIMESTAMP,
            txn_first_offset: NO_TRANSACTION,
            coordinator_epoch: NO_COORDINATOR_EPOCH,
            producer_epoch,
            batch_count: 0,
            batches: [Batch::default(); WINDOW_BATCHES],
        }
    }

    pub(super) fn has_transaction(&self) -> bool {
        self.txn_first_offset != NO_TRANSACTION
    }

    pub(super) fn batches(&self) -> &[Batch] {
        &self.batches[..usize::from(self.batch_count)]
    }

    pub(super) fn last(&self) -> Option<&Batch> {
        self.batches().last()
    }

    pub(super) fn push(&mut self, append: &ProducerAppend, now_ms: i64) {
        self.enter_epoch(append.producer_epoch);
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
        self.timestamp = append.timestamp;
        self.last_seen_ms = now_ms;
    }

    /// Sequences of another epoch say nothing about this one's.
    pub(super) fn enter_epoch(&mut self, producer_epoch: i16) {
        if producer_epoch != self.producer_epoch {
            self.producer_epoch = producer_epoch;
            self.batch_count = 0;
        }
    }

    pub(super) fn duplicate_of(&self, append: &ProducerAppend) -> Option<&Batch> {
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

    pub(super) fn check(&self, append: &ProducerAppend) -> Result<(), ProducerError> {
        if append.producer_epoch < self.producer_epoch {
            return Err(ProducerError::StaleEpoch {
                current: self.producer_epoch,
            });
        }
        if self.has_transaction() && !append.is_transactional {
            return Err(ProducerError::OutsideTransaction);
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

pub(super) fn snapshot_entry(producer: &Producer) -> ProducerSnapshotEntry {
    let last = producer.last();
    ProducerSnapshotEntry {
        producer_id: producer.producer_id,
        producer_epoch: producer.producer_epoch,
        last_sequence: last.map_or(NO_SEQUENCE, |batch| batch.last_sequence),
        last_offset: last.map_or(-1, |batch| batch.last_offset),
        offset_delta: last.map_or(0, |batch| batch.offset_delta),
        timestamp: producer.timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_first_offset: producer.txn_first_offset,
    }
}

/// Sequences live in `0..=i32::MAX` and wrap from the top to 0.
pub(super) fn sequence_after(sequence: i32, steps: i32) -> i32 {
    ((i64::from(sequence) + i64::from(steps)) & i64::from(i32::MAX)) as i32
}

pub(super) fn sequence_before(sequence: i32, steps: i32) -> i32 {
    ((i64::from(sequence) - i64::from(steps)) & i64::from(i32::MAX)) as i32
}

/// Whether `sequence` lies in the half of the circle behind `mark`.
fn is_before(sequence: i32, mark: i32) -> bool {
    let behind = sequence_before(mark, sequence);
    behind > 0 && behind <= i32::MAX / 2
}
