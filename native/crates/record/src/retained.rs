//! Owns what compaction leaves of a batch: fewer records, or none, in the place of all. Never decides which records stay.
//! Invariants: base offset, last offset, leader epoch, producer, sequences, codec and timestamp type are the original's, so that the batch
//! still covers the same offsets and ends with the same sequence; offsets, timestamps, keys, values and headers of the records that stay do
//! not change; the checksum is right.
//!
//! With a delete horizon (KIP-534) attribute bit 6 is set and the base timestamp holds the horizon; the records' timestamp deltas count from it.

use crate::compression;
use crate::header::{BatchHeader, CODEC_MASK, DELETE_HORIZON_BIT, HEADER_BYTES, NO_TIMESTAMP};
use crate::records::RecordView;
use crate::varint;

/// The records that stay of one batch, gathered in order.
#[derive(Debug)]
pub struct RetainedRecords {
    original: BatchHeader,
    delete_horizon_ms: Option<i64>,
    base_timestamp: i64,
    max_timestamp: i64,
    count: i32,
    records: Vec<u8>,
}

impl RetainedRecords {
    /// For the batch with the header `original`. `delete_horizon_ms` is the one the new batch is to have.
    pub fn new(original: &BatchHeader, delete_horizon_ms: Option<i64>) -> RetainedRecords {
        RetainedRecords {
            original: *original,
            delete_horizon_ms,
            base_timestamp: delete_horizon_ms.unwrap_or(NO_TIMESTAMP),
            max_timestamp: NO_TIMESTAMP,
            count: 0,
            records: Vec::new(),
        }
    }

    /// Adds a record of the original batch behind those added before.
    pub fn push(&mut self, record: &RecordView<'_>) {
        let offset_delta = i32::try_from(record.offset.wrapping_sub(self.original.base_offset))
            .expect("a record lies within its batch");
        if self.count == 0 && self.delete_horizon_ms.is_none() {
            self.base_timestamp = record.timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        self.count += 1;
        let timestamp_delta = record.timestamp.wrapping_sub(self.base_timestamp);
        let body_bytes = 1
            + varint::varlong_bytes(timestamp_delta)
            + varint::varint_bytes(offset_delta)
            + record.encoded.len();
        let out = &mut self.records;
        varint::write_varint(length(body_bytes), out);
        let body_at = out.len();
        out.push(0);
        varint::write_varlong(timestamp_delta, out);
        varint::write_varint(offset_delta, out);
        out.extend_from_slice(record.encoded);
        assert_eq!(
            out.len() - body_at,
            body_bytes,
            "a record is as long as its length field says"
        );
    }

    /// Appends the batch to `out`. At least one record was pushed.
    pub fn write(&self, out: &mut Vec<u8>) {
        assert!(self.count > 0, "a batch without records is an empty batch");
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        match self.original.compression() {
            Some(codec) => compression::compress(codec, None, &self.records, out),
            None => out.extend_from_slice(&self.records),
        }
        let original = &self.original;
        let horizon_bit = if self.delete_horizon_ms.is_some() {
            DELETE_HORIZON_BIT
        } else {
            0
        };
        let max_timestamp = if original.is_log_append_time() {
            original.max_timestamp
        } else {
            self.max_timestamp
        };
        let header = BatchHeader {
            attributes: original.attributes & !DELETE_HORIZON_BIT | horizon_bit,
            base_timestamp: self.base_timestamp,
            max_timestamp,
            record_count: self.count,
            ..*original
        };
        header.write_over(&mut out[start..]);
    }
}

/// Appends a batch without records to `out` that covers the offsets and sequences of `original`: Kafka's empty header, uncompressed.
pub fn write_empty_batch(original: &BatchHeader, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    let header = BatchHeader {
        attributes: original.attributes & !(DELETE_HORIZON_BIT | CODEC_MASK),
        base_timestamp: NO_TIMESTAMP,
        record_count: 0,
        ..*original
    };
    header.write_over(&mut out[start..]);
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a batch is smaller than 2 GiB")
}

#[cfg(test)]
#[path = "retained_tests.rs"]
mod tests;
