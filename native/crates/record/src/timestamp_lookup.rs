//! Owns finding a record by time inside one batch: the last step of ListOffsets, after the time index and the segment scan.

use crate::error::BatchError;
use crate::records::records;

/// A record's place and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampAndOffset {
    pub timestamp: i64,
    pub offset: i64,
}

/// The first record at or after `timestamp` with an offset of at least `start_offset`, or None.
pub fn offset_for_timestamp(
    batch: &[u8],
    timestamp: i64,
    start_offset: i64,
) -> Result<Option<TimestampAndOffset>, BatchError> {
    first_record(batch, |found| {
        found.timestamp >= timestamp && found.offset >= start_offset
    })
}

/// The first record that carries the batch's max timestamp, or None in a batch without records.
pub fn offset_of_max_timestamp(batch: &[u8]) -> Result<Option<TimestampAndOffset>, BatchError> {
    let max_timestamp = crate::BatchHeader::parse(batch)?.max_timestamp;
    first_record(batch, |found| found.timestamp == max_timestamp)
}

fn first_record(
    batch: &[u8],
    wanted: impl Fn(&TimestampAndOffset) -> bool,
) -> Result<Option<TimestampAndOffset>, BatchError> {
    for record in &records(batch)? {
        let record = record?;
        let found = TimestampAndOffset {
            timestamp: record.timestamp,
            offset: record.offset,
        };
        if wanted(&found) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BatchBuilder;

    fn batch() -> Vec<u8> {
        let mut builder = BatchBuilder::new();
        builder.base_offset(100);
        for timestamp in [10, 30, 20, 30] {
            builder.append(timestamp, None, None, &[]);
        }
        builder.build()
    }

    fn found(timestamp: i64, offset: i64) -> Result<Option<TimestampAndOffset>, BatchError> {
        Ok(Some(TimestampAndOffset { timestamp, offset }))
    }

    #[test]
    fn finds_the_first_record_at_or_after_a_time() {
        let batch = batch();
        assert_eq!(offset_for_timestamp(&batch, 0, 0), found(10, 100));
        assert_eq!(offset_for_timestamp(&batch, 11, 0), found(30, 101));
        assert_eq!(offset_for_timestamp(&batch, 11, 102), found(20, 102));
        assert_eq!(offset_for_timestamp(&batch, 31, 0), Ok(None));
    }

    #[test]
    fn the_first_record_with_the_max_timestamp_is_named() {
        assert_eq!(offset_of_max_timestamp(&batch()), found(30, 101));
    }
}
