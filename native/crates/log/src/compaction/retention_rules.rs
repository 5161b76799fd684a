//! Owns what stays of one batch: the whole of it, some records, its bare header, or nothing. Never reads or writes a file.
//!
//! Kafka's rules. A record stays when it is the newest of its key, and a tombstone only until its batch's delete horizon, which the first
//! cleaning that sees the tombstone as the newest sets to now + `delete.retention.ms` (KIP-534). A marker whose transaction has no data left
//! is given a horizon in the same way. A batch without records left stays as a bare header when it carries the last sequence of an active
//! producer, or the end of what this cleaning covers.

use std::collections::HashMap;

use millrace_record::{
    BatchError, BatchHeader, Records, RetainedRecords, records, write_empty_batch,
};

use super::CompactionStats;
use super::key_map::KeyMap;
use super::transactions::Standing;

/// The last thing an active producer wrote to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerTail {
    /// Offset of its last record; None when only a marker of it is known.
    pub last_data_offset: Option<i64>,
    pub producer_epoch: i16,
}

pub(crate) struct RetentionRules<'a> {
    pub(crate) map: &'a KeyMap,
    pub(crate) producers: &'a HashMap<i64, ProducerTail>,
    pub(crate) now_ms: i64,
    pub(crate) delete_retention_ms: i64,
    /// Where this cleaning ends: the batch that reaches it stays, that the end offset is not lost.
    pub(crate) end_offset: i64,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retained {
    Nothing,
    /// The batch as it is, byte for byte.
    Original,
    /// What was appended to the output.
    Rewritten,
}

impl RetentionRules<'_> {
    /// Decides on `batch`; a batch that is rewritten is appended to `out`. `stays` is scratch.
    pub(crate) fn apply(
        &self,
        header: &BatchHeader,
        batch: &[u8],
        standing: Standing,
        stats: &mut CompactionStats,
        stays: &mut Vec<bool>,
        out: &mut Vec<u8>,
    ) -> Result<Retained, BatchError> {
        let is_discardable = standing == Standing::Discardable;
        let horizon_has_passed = header
            .delete_horizon_ms()
            .is_some_and(|horizon_ms| horizon_ms <= self.now_ms);
        let drops_records = is_discardable && (!header.is_control() || horizon_has_passed);
        let keeps_header = (header.has_producer_id() && self.is_last_of_producer(header))
            || header.next_offset() == self.end_offset;
        stats.records_read += header.record_count.max(0) as u64;
        if drops_records {
            return Ok(bare(header, keeps_header, out));
        }
        let opened = records(batch)?;
        stays.clear();
        let (kept, has_tombstones) = self.choose(&opened, horizon_has_passed, stats, stays)?;
        if kept == 0 {
            return Ok(bare(header, keeps_header, out));
        }
        stats.records_written += kept;
        let wants_horizon = (has_tombstones || (is_discardable && header.is_control()))
            && header.delete_horizon_ms().is_none();
        if kept == stays.len() as u64 && !wants_horizon {
            return Ok(Retained::Original);
        }
        let horizon_ms = if wants_horizon {
            Some(self.now_ms.saturating_add(self.delete_retention_ms))
        } else {
            header.delete_horizon_ms()
        };
        let mut retained = RetainedRecords::new(header, horizon_ms);
        for (record, &stays) in opened.iter().zip(stays.iter()) {
            if stays {
                retained.push(&record?);
            }
        }
        retained.write(out);
        Ok(Retained::Rewritten)
    }

    /// Marks the records that stay. Returns how many do, and whether a tombstone is among them.
    fn choose(
        &self,
        opened: &Records<'_>,
        horizon_has_passed: bool,
        stats: &mut CompactionStats,
        stays: &mut Vec<bool>,
    ) -> Result<(u64, bool), BatchError> {
        let header = opened.header();
        let (mut kept, mut has_tombstones) = (0, false);
        let mut next_offset = header.base_offset;
        for (index, record) in (0..).zip(opened) {
            let record = record?;
            // Offsets outside the batch's own range could not be written again.
            if record.offset < next_offset || record.offset > header.last_offset() {
                return Err(BatchError::MalformedRecord {
                    record_index: index,
                });
            }
            next_offset = record.offset + 1;
            let is_newest = match record.key {
                _ if header.is_control() => true,
                // Written behind what the map covers: another pass will tell.
                _ if record.offset > self.map.latest_offset() => true,
                Some(key) => self
                    .map
                    .get(key)
                    .is_none_or(|newest| record.offset >= newest),
                None => {
                    stats.keyless_records += 1;
                    false
                }
            };
            let is_tombstone = record.value.is_none();
            let is_expired = is_tombstone
                && horizon_has_passed
                && !header.is_control()
                && record.offset <= self.map.latest_offset();
            let is_kept = is_newest && !is_expired;
            stays.push(is_kept);
            kept += u64::from(is_kept);
            has_tombstones |= is_kept && is_tombstone;
        }
        Ok((kept, has_tombstones))
    }

    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        self.producers
            .get(&header.producer_id)
            .is_some_and(|tail| match tail.last_data_offset {
                Some(offset) => header.last_offset() == offset,
                None => header.is_control() && header.producer_epoch == tail.producer_epoch,
            })
    }
}

fn bare(header: &BatchHeader, keeps_header: bool, out: &mut Vec<u8>) -> Retained {
    if !keeps_header {
        return Retained::Nothing;
    }
    write_empty_batch(header, out);
    Retained::Rewritten
}

#[cfg(test)]
#[path = "retention_rules_tests.rs"]
mod tests;
