//! Owns what a broker writes into a batch it accepts. Never touches the records. Invariant: the checksum is right afterwards if it
//! was right before.

use crate::checksum::write_crc;
use crate::header::{
    ATTRIBUTES_AT, BASE_OFFSET_AT, HEADER_BYTES, LEADER_EPOCH_AT, LENGTH_AT, LENGTH_END,
    LOG_APPEND_TIME_BIT, MAX_TIMESTAMP_AT,
};

/// Sets the base offset. Outside the checksum.
#[inline]
pub fn stamp_base_offset(batch: &mut [u8], offset: i64) {
    assert!(batch.len() >= HEADER_BYTES, "only a whole batch is stamped");
    batch[BASE_OFFSET_AT..BASE_OFFSET_AT + 8].copy_from_slice(&offset.to_be_bytes());
}

/// Sets the partition leader epoch. Outside the checksum.
#[inline]
pub fn stamp_leader_epoch(batch: &mut [u8], epoch: i32) {
    assert!(batch.len() >= HEADER_BYTES, "only a whole batch is stamped");
    batch[LEADER_EPOCH_AT..LEADER_EPOCH_AT + 4].copy_from_slice(&epoch.to_be_bytes());
}

/// Marks the batch as log-append time `now_ms` and writes its new checksum. `batch` is exactly one batch.
///
/// As in Kafka the base timestamp and the records' deltas stay: a reader takes the max timestamp for every record.
pub fn stamp_log_append_time(batch: &mut [u8], now_ms: i64) {
    assert!(batch.len() >= HEADER_BYTES, "only a whole batch is stamped");
    let length = i32::from_be_bytes(batch[LENGTH_AT..LENGTH_END].try_into().expect("four bytes"));
    assert_eq!(
        i64::from(length) + LENGTH_END as i64,
        batch.len() as i64,
        "the checksum needs exactly one batch"
    );
    let attributes =
        i16::from_be_bytes([batch[ATTRIBUTES_AT], batch[ATTRIBUTES_AT + 1]]) | LOG_APPEND_TIME_BIT;
    batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
    batch[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&now_ms.to_be_bytes());
    write_crc(batch);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, BatchHeader, verify_crc};

    fn batch() -> Vec<u8> {
        let mut builder = BatchBuilder::new();
        builder.append(1_000, Some(b"k"), Some(b"v"), &[]);
        builder.append(1_005, None, None, &[]);
        builder.build()
    }

    #[test]
    fn offset_and_epoch_are_outside_the_checksum() {
        let mut batch = batch();
        stamp_base_offset(&mut batch, 0x0102_0304_0506_0708);
        stamp_leader_epoch(&mut batch, 77);
        assert!(verify_crc(&batch));
        let header = BatchHeader::parse(&batch).unwrap();
        assert_eq!(
            (header.base_offset, header.partition_leader_epoch),
            (0x0102_0304_0506_0708, 77)
        );
        assert_eq!(header.last_offset(), 0x0102_0304_0506_0709);
    }

    #[test]
    fn log_append_time_replaces_the_max_timestamp_and_the_checksum() {
        let mut batch = batch();
        let before = BatchHeader::parse(&batch).unwrap();
        stamp_log_append_time(&mut batch, 9_999);
        let after = BatchHeader::parse(&batch).unwrap();
        assert!(verify_crc(&batch));
        assert!(after.is_log_append_time());
        assert_eq!(
            (after.base_timestamp, after.max_timestamp),
            (before.base_timestamp, 9_999)
        );
        assert_ne!(after.crc, before.crc);
        let timestamps: Vec<i64> = crate::records(&batch)
            .unwrap()
            .iter()
            .map(|record| record.unwrap().timestamp)
            .collect();
        assert_eq!(timestamps, [9_999, 9_999]);
    }
}
