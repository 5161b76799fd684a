//! Owns writing a batch. Never used for what clients send: those batches stay as they came.
//! Invariant: what `build` returns passes `validate_stored`.

use crate::compression::{self, Compression};
use crate::header::{
    BatchHeader, CONTROL_BIT, HEADER_BYTES, LOG_APPEND_TIME_BIT, MAGIC_V2,
    NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
    TRANSACTIONAL_BIT,
};
use crate::varint;

/// A header to write: key, and value or null.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

/// Builds one v2 batch.
///
/// ```
/// use millrace_record::{BatchBuilder, Compression, records};
/// let mut builder = BatchBuilder::new();
/// builder.compression(Compression::Lz4).producer(7, 0, 0);
/// builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[("trace", Some(b"1"))]);
/// let batch = builder.build();
/// assert_eq!(records(&batch).unwrap().iter().count(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    base_offset: i64,
    partition_leader_epoch: i32,
    compression: Option<Compression>,
    level: Option<i32>,
    attributes: i16,
    log_append_time_ms: i64,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    last_offset_delta: i32,
    record_count: i32,
    records: Vec<u8>,
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder::new()
    }
}

impl BatchBuilder {
    pub fn new() -> BatchBuilder {
        BatchBuilder {
            base_offset: 0,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            compression: None,
            level: None,
            attributes: 0,
            log_append_time_ms: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            last_offset_delta: -1,
            record_count: 0,
            records: Vec::new(),
        }
    }

    pub fn base_offset(&mut self, offset: i64) -> &mut Self {
        self.base_offset = offset;
        self
    }

    pub fn leader_epoch(&mut self, epoch: i32) -> &mut Self {
        self.partition_leader_epoch = epoch;
        self
    }

    pub fn compression(&mut self, codec: impl Into<Option<Compression>>) -> &mut Self {
        self.compression = codec.into();
        self
    }

    pub fn level(&mut self, level: i32) -> &mut Self {
        self.level = Some(level);
        self
    }

    pub fn producer(
        &mut self,
        producer_id: i64,
        producer_epoch: i16,
        base_sequence: i32,
    ) -> &mut Self {
        (self.producer_id, self.producer_epoch, self.base_sequence) =
            (producer_id, producer_epoch, base_sequence);
        self
    }

    pub fn transactional(&mut self) -> &mut Self {
        self.attributes |= TRANSACTIONAL_BIT;
        self
    }

    pub fn control(&mut self) -> &mut Self {
        self.attributes |= CONTROL_BIT;
        self
    }

    /// Marks the batch as log-append time, as a broker would.
    pub fn log_append_time(&mut self, now_ms: i64) -> &mut Self {
        self.attributes |= LOG_APPEND_TIME_BIT;
        self.log_append_time_ms = now_ms;
        self
    }

    /// Adds a record behind the last one.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> &mut Self {
        let offset_delta = self
            .last_offset_delta
            .checked_add(1)
            .expect("a batch holds at most 2^31-1 offsets");
        self.append_at(offset_delta, timestamp, key, value, headers)
    }

    /// Adds a record at a given offset delta, as compaction leaves holes. Deltas must grow.
    pub fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> &mut Self {
        assert!(
            offset_delta > self.last_offset_delta,
            "offset deltas grow within a batch"
        );
        if self.record_count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = if self.record_count == 0 {
            timestamp
        } else {
            self.max_timestamp.max(timestamp)
        };
        self.last_offset_delta = offset_delta;
        self.record_count += 1;
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let body_bytes = record_body_bytes(timestamp_delta, offset_delta, key, value, headers);
        let out = &mut self.records;
        varint::write_varint(length(body_bytes), out);
        let body_at = out.len();
        out.push(0);
        varint::write_varlong(timestamp_delta, out);
        varint::write_varint(offset_delta, out);
        write_nullable_bytes(key, out);
        write_nullable_bytes(value, out);
        varint::write_varint(length(headers.len()), out);
        for (name, value) in headers {
            write_nullable_bytes(Some(name.as_bytes()), out);
            write_nullable_bytes(*value, out);
        }
        assert_eq!(
            out.len() - body_at,
            body_bytes,
            "a record is as long as its length field says"
        );
        self
    }

    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Bytes the batch will have, before compression.
    pub fn uncompressed_bytes(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    pub fn build(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.uncompressed_bytes());
        self.build_into(&mut out);
        out
    }

    /// Appends the batch to `out`.
    pub fn build_into(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        match self.compression {
            Some(codec) => compression::compress(codec, self.level, &self.records, out),
            None => out.extend_from_slice(&self.records),
        }
        let codec_bits = self.compression.map_or(0, |codec| i16::from(codec.id()));
        let log_append_time = self.attributes & LOG_APPEND_TIME_BIT != 0;
        let header = BatchHeader {
            base_offset: self.base_offset,
            batch_length: 0,
            partition_leader_epoch: self.partition_leader_epoch,
            magic: MAGIC_V2,
            crc: 0,
            attributes: self.attributes | codec_bits,
            last_offset_delta: self.last_offset_delta,
            base_timestamp: self.base_timestamp,
            max_timestamp: if log_append_time {
                self.log_append_time_ms
            } else {
                self.max_timestamp
            },
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            record_count: self.record_count,
        };
        header.write_over(&mut out[start..]);
    }
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a batch is smaller than 2 GiB")
}

fn record_body_bytes(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header<'_>],
) -> usize {
    let fields = 1 + varint::varlong_bytes(timestamp_delta) + varint::varint_bytes(offset_delta);
    let header_bytes: usize = headers
        .iter()
        .map(|(name, value)| {
            nullable_bytes_size(Some(name.as_bytes())) + nullable_bytes_size(*value)
        })
        .sum();
    fields
        + nullable_bytes_size(key)
        + nullable_bytes_size(value)
        + varint::varint_bytes(length(headers.len()))
        + header_bytes
}

fn nullable_bytes_size(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => varint::varint_bytes(length(bytes.len())) + bytes.len(),
        None => varint::varint_bytes(-1),
    }
}

fn write_nullable_bytes(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => {
            varint::write_varint(length(bytes.len()), out);
            out.extend_from_slice(bytes);
        }
        None => varint::write_varint(-1, out),
    }
}
