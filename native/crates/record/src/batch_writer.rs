//! Owns writing a batch into memory that is given: records behind each other, then the header in front of them. Never allocates, never
//! compresses. Invariant: what `seal` leaves passes `validate_stored`.

use crate::header::{
    BatchHeader, HEADER_BYTES, MAGIC_V2, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE,
};
use crate::varint::varint_bytes;

/// What the header says of the records behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsSummary {
    pub record_count: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
}

/// Writes the header of a batch whose records, uncompressed and with offset deltas 0, 1, 2 ..., fill `batch` from `HEADER_BYTES` on.
pub fn seal(batch: &mut [u8], base_offset: i64, records: RecordsSummary) {
    assert!(batch.len() > HEADER_BYTES, "a batch has records");
    assert!(records.record_count > 0, "a batch has records");
    let header = BatchHeader {
        base_offset,
        batch_length: 0,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        magic: MAGIC_V2,
        crc: 0,
        attributes: 0,
        last_offset_delta: records.record_count - 1,
        base_timestamp: records.base_timestamp,
        max_timestamp: records.max_timestamp,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        base_sequence: NO_SEQUENCE,
        record_count: records.record_count,
    };
    header.write_over(batch);
}

/// A batch under construction whose records all have one timestamp and no headers.
pub struct BatchWriter<'a> {
    batch: &'a mut [u8],
    end: usize,
    timestamp: i64,
    record_count: i32,
}

impl<'a> BatchWriter<'a> {
    pub fn new(batch: &'a mut [u8], timestamp: i64) -> BatchWriter<'a> {
        BatchWriter {
            batch,
            end: HEADER_BYTES,
            timestamp,
            record_count: 0,
        }
    }

    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// Bytes a batch of this one record takes, at most.
    pub fn bytes_alone(key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
        HEADER_BYTES + 5 + body_bytes(i32::MAX, key, value)
    }

    /// Adds a record behind the last one; false, and nothing written, when it does not fit.
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        let body = body_bytes(self.record_count, key, value);
        let Ok(length) = i32::try_from(body) else {
            return false;
        };
        if self.end + varint_bytes(length) + body > self.batch.len() {
            return false;
        }
        let out = &mut *self.batch;
        let mut at = put_varint(out, self.end, length);
        out[at] = 0; // attributes
        out[at + 1] = 0; // timestamp delta
        at = put_varint(out, at + 2, self.record_count);
        at = put_nullable_bytes(out, at, key);
        at = put_nullable_bytes(out, at, value);
        out[at] = 0; // no headers
        self.end = at + 1;
        self.record_count += 1;
        true
    }

    /// What `seal` needs to know. The batch is `..bytes` of what was given.
    pub fn finish(self) -> (usize, RecordsSummary) {
        let summary = RecordsSummary {
            record_count: self.record_count,
            base_timestamp: self.timestamp,
            max_timestamp: self.timestamp,
        };
        (self.end, summary)
    }
}

fn body_bytes(offset_delta: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
    3 + varint_bytes(offset_delta) + nullable_bytes(key) + nullable_bytes(value)
}

fn nullable_bytes(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| {
        i32::try_from(bytes.len())
            .map_or(usize::MAX / 4, |length| varint_bytes(length) + bytes.len())
    })
}

fn put_varint(out: &mut [u8], mut at: usize, value: i32) -> usize {
    let mut rest = ((value << 1) ^ (value >> 31)) as u32;
    while rest >= 0x80 {
        out[at] = rest as u8 | 0x80;
        rest >>= 7;
        at += 1;
    }
    out[at] = rest as u8;
    at + 1
}

fn put_nullable_bytes(out: &mut [u8], at: usize, bytes: Option<&[u8]>) -> usize {
    let Some(bytes) = bytes else {
        return put_varint(out, at, -1);
    };
    let at = put_varint(out, at, bytes.len() as i32);
    out[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, validate_stored};
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn writes_what_the_builder_writes(
            records in vec((option::of(vec(any::<u8>(), 0..200)), option::of(vec(any::<u8>(), 0..9_000))), 1..40),
            room in 100..40_000_usize,
        ) {
            let mut memory = vec![0xaa; room];
            let mut writer = BatchWriter::new(&mut memory, 1_234);
            let mut builder = BatchBuilder::new();
            builder.base_offset(77);
            for (key, value) in &records {
                let (key, value) = (key.as_deref(), value.as_deref());
                let before = writer.end;
                if !writer.push(key, value) {
                    prop_assert!(before + BatchWriter::bytes_alone(key, value) - HEADER_BYTES > room - 10);
                    break;
                }
                builder.append(1_234, key, value, &[]);
            }
            if writer.record_count() > 0 {
                let (bytes, summary) = writer.finish();
                seal(&mut memory[..bytes], 77, summary);
                prop_assert!(validate_stored(&memory[..bytes]).is_ok());
                prop_assert_eq!(&memory[..bytes], &builder.build()[..]);
                prop_assert!(memory[bytes..].iter().all(|&byte| byte == 0xaa));
            }
        }
    }
}
