//! Owns how a partition's idempotent producers survive: read back from the newest snapshot and the log behind it, written to a snapshot.

use super::{Open, Partition};
use millrace_log::{ProducerSnapshotEntry, ReadError};
use millrace_record::BatchHeader;
use millrace_replica::{ProducerAppend, ProducerState, ProducerWindow};

impl Partition {
    /// The producers of this partition, read back from disk if need be.
    pub(super) fn producers<'a>(
        &self,
        open: &'a mut Open,
        now_ms: i64,
    ) -> Result<&'a mut ProducerWindow, ReadError> {
        if open.producers.is_none() {
            let mut producers =
                ProducerWindow::new(self.producer_ids_max, self.producer_id_expiration_ms);
            let mut from_offset = open.log.log_start_offset();
            if let Some(snapshot) = open.log.read_producer_snapshot()? {
                snapshot
                    .entries
                    .iter()
                    .filter(|entry| entry.last_sequence >= 0)
                    .for_each(|entry| producers.restore(&producer_state(entry), now_ms));
                from_offset = from_offset.max(snapshot.offset);
            }
            open.log.for_each_batch(from_offset, |header| {
                if header.has_producer_id()
                    && header.base_sequence >= 0
                    && header.base_offset >= from_offset
                {
                    producers.replay(&producer_append(header), now_ms);
                }
            })?;
            producers.begin();
            open.producers = Some(producers);
        }
        Ok(open.producers.as_mut().expect("just read back"))
    }

    pub(super) fn write_snapshot(&self, open: &mut Open, now_ms: i64) -> Result<(), ReadError> {
        let entries: Vec<_> = self
            .producers(open, now_ms)?
            .states()
            .map(|state| snapshot_entry(&state))
            .collect();
        open.log.write_producer_snapshot(&entries);
        Ok(())
    }
}

pub(super) fn producer_append(header: &BatchHeader) -> ProducerAppend {
    ProducerAppend {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        last_sequence: header.last_sequence(),
        base_offset: header.base_offset,
        last_offset: header.last_offset(),
        timestamp: header.max_timestamp,
    }
}

fn producer_state(entry: &ProducerSnapshotEntry) -> ProducerState {
    ProducerState {
        producer_id: entry.producer_id,
        producer_epoch: entry.producer_epoch,
        last_sequence: entry.last_sequence,
        last_offset: entry.last_offset,
        offset_delta: entry.offset_delta,
        timestamp: entry.timestamp,
    }
}

fn snapshot_entry(state: &ProducerState) -> ProducerSnapshotEntry {
    ProducerSnapshotEntry {
        producer_id: state.producer_id,
        producer_epoch: state.producer_epoch,
        last_sequence: state.last_sequence,
        last_offset: state.last_offset,
        offset_delta: state.offset_delta,
        timestamp: state.timestamp,
        coordinator_epoch: -1,
        current_txn_first_offset: -1,
    }
}
