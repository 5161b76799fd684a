//! Owns the 61 bytes in front of every v2 batch. Never looks at the bytes behind them.
//!
//! ```text
//!  0  i64 base offset            stamped by the broker
//!  8  i32 batch length           bytes that follow this field
//! 12  i32 partition leader epoch stamped by the broker
//! 16  i8  magic                  2
//! 17  u32 crc                    CRC-32C of byte 21 to the end
//! 21  i16 attributes             0-2 codec, 3 log-append time, 4 transactional, 5 control, 6 delete horizon
//! 23  i32 last offset delta
//! 27  i64 base timestamp         with bit 6: the delete horizon
//! 35  i64 max timestamp
//! 43  i64 producer id
//! 51  i16 producer epoch
//! 53  i32 base sequence
//! 57  i32 record count
//! 61  records, compressed as one block when a codec is set
//! ```
//! Invariant: a parsed header has magic 2 and a length that at least covers the header itself.

use crate::checksum::write_crc;
use crate::compression::Compression;
use crate::error::BatchError;

/// Bytes of a v2 batch header, before the first record.
pub const HEADER_BYTES: usize = 61;
/// Bytes before `batch_length` starts to count.
pub const LENGTH_END: usize = 12;
/// The only magic that Kafka 4.x writes.
pub const MAGIC_V2: i8 = 2;

pub const NO_PRODUCER_ID: i64 = -1;
pub const NO_PRODUCER_EPOCH: i16 = -1;
pub const NO_SEQUENCE: i32 = -1;
pub const NO_TIMESTAMP: i64 = -1;
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

pub(crate) const BASE_OFFSET_AT: usize = 0;
pub(crate) const LENGTH_AT: usize = 8;
pub(crate) const LEADER_EPOCH_AT: usize = 12;
pub(crate) const MAGIC_AT: usize = 16;
pub(crate) const CRC_AT: usize = 17;
pub(crate) const ATTRIBUTES_AT: usize = 21;
pub(crate) const LAST_OFFSET_DELTA_AT: usize = 23;
pub(crate) const BASE_TIMESTAMP_AT: usize = 27;
pub(crate) const MAX_TIMESTAMP_AT: usize = 35;
pub(crate) const PRODUCER_ID_AT: usize = 43;
pub(crate) const PRODUCER_EPOCH_AT: usize = 51;
pub(crate) const BASE_SEQUENCE_AT: usize = 53;
pub(crate) const RECORD_COUNT_AT: usize = 57;
const _: () = assert!(RECORD_COUNT_AT + 4 == HEADER_BYTES);
/// Smallest legal `batch_length`: the header without its first twelve bytes.
pub(crate) const BATCH_LENGTH_MIN: i32 = 49;
const _: () = assert!(LENGTH_END + BATCH_LENGTH_MIN as usize == HEADER_BYTES);

pub(crate) const CODEC_MASK: i16 = 0x07;
pub(crate) const LOG_APPEND_TIME_BIT: i16 = 0x08;
pub(crate) const TRANSACTIONAL_BIT: i16 = 0x10;
pub(crate) const CONTROL_BIT: i16 = 0x20;
pub(crate) const DELETE_HORIZON_BIT: i16 = 0x40;

/// `message.timestamp.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    #[default]
    CreateTime,
    LogAppendTime,
}

/// The header of one v2 batch, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    /// Bytes after the length field.
    pub batch_length: i32,
    pub partition_leader_epoch: i32,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, which may end before the batch does. The checksum is not looked at.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(short_header(bytes));
        };
        let magic = i8::from_be_bytes(field(header, MAGIC_AT));
        if magic != MAGIC_V2 {
            return Err(wrong_magic(magic));
        }
        let batch_length = i32::from_be_bytes(field(header, LENGTH_AT));
        if batch_length < BATCH_LENGTH_MIN {
            return Err(BatchError::LengthBelowHeader { batch_length });
        }
        Ok(BatchHeader {
            base_offset: i64::from_be_bytes(field(header, BASE_OFFSET_AT)),
            batch_length,
            partition_leader_epoch: i32::from_be_bytes(field(header, LEADER_EPOCH_AT)),
            magic,
            crc: u32::from_be_bytes(field(header, CRC_AT)),
            attributes: i16::from_be_bytes(field(header, ATTRIBUTES_AT)),
            last_offset_delta: i32::from_be_bytes(field(header, LAST_OFFSET_DELTA_AT)),
            base_timestamp: i64::from_be_bytes(field(header, BASE_TIMESTAMP_AT)),
            max_timestamp: i64::from_be_bytes(field(header, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(header, PRODUCER_ID_AT)),
            producer_epoch: i16::from_be_bytes(field(header, PRODUCER_EPOCH_AT)),
            base_sequence: i32::from_be_bytes(field(header, BASE_SEQUENCE_AT)),
            record_count: i32::from_be_bytes(field(header, RECORD_COUNT_AT)),
        })
    }

    /// Writes the header in front of the records that lie in `batch`, exactly one batch. Length and checksum are those of `batch`, whatever
    /// this header says.
    pub(crate) fn write_over(&self, batch: &mut [u8]) {
        let batch_length =
            i32::try_from(batch.len() - LENGTH_END).expect("a batch is smaller than 2 GiB");
        put(batch, BASE_OFFSET_AT, self.base_offset.to_be_bytes());
        put(batch, LENGTH_AT, batch_length.to_be_bytes());
        put(
            batch,
            LEADER_EPOCH_AT,
            self.partition_leader_epoch.to_be_bytes(),
        );
        put(batch, MAGIC_AT, self.magic.to_be_bytes());
        put(batch, ATTRIBUTES_AT, self.attributes.to_be_bytes());
        put(
            batch,
            LAST_OFFSET_DELTA_AT,
            self.last_offset_delta.to_be_bytes(),
        );
        put(batch, BASE_TIMESTAMP_AT, self.base_timestamp.to_be_bytes());
        put(batch, MAX_TIMESTAMP_AT, self.max_timestamp.to_be_bytes());
        put(batch, PRODUCER_ID_AT, self.producer_id.to_be_bytes());
        put(batch, PRODUCER_EPOCH_AT, self.producer_epoch.to_be_bytes());
        put(batch, BASE_SEQUENCE_AT, self.base_sequence.to_be_bytes());
        put(batch, RECORD_COUNT_AT, self.record_count.to_be_bytes());
        write_crc(batch);
    }

    /// The whole batch, header included.
    #[inline]
    pub fn size_bytes(&self) -> usize {
        LENGTH_END + self.batch_length as usize
    }

    /// Offset of the last record. Wraps as Java's arithmetic does when the bytes are nonsense.
    #[inline]
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Offset behind the last record.
    #[inline]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// The codec bits, 0 for none.
    #[inline]
    pub fn codec_id(&self) -> u8 {
        (self.attributes & CODEC_MASK) as u8
    }

    /// The codec, or None for plain records. Unknown ids (5 to 7) are None too: a validated batch never has one, and whoever
    /// reads unvalidated bytes asks `codec`.
    #[inline]
    pub fn compression(&self) -> Option<Compression> {
        Compression::from_id(self.codec_id())
    }

    /// The codec, with unknown ids as an error.
    #[inline]
    pub fn codec(&self) -> Result<Option<Compression>, BatchError> {
        match self.codec_id() {
            0 => Ok(None),
            id => Compression::from_id(id)
                .map(Some)
                .ok_or(BatchError::UnknownCodec { codec: id }),
        }
    }

    #[inline]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    #[inline]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    #[inline]
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME_BIT != 0
    }

    #[inline]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.is_log_append_time() {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// When tombstones of a compacted batch may go, in ms.
    #[inline]
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON_BIT != 0).then_some(self.base_timestamp)
    }

    #[inline]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// Sequence of the last record; -1 without sequences. Wraps to 0 after 2^31-1.
    #[inline]
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        next_sequence(self.base_sequence, self.last_offset_delta)
    }
}

/// `sequence` advanced by `increment` records. Sequences count 0 to 2^31-1 and start over.
#[inline]
pub fn next_sequence(sequence: i32, increment: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(increment);
    if sum > i64::from(i32::MAX) {
        (sum - i64::from(i32::MAX) - 1) as i32
    } else {
        sum as i32
    }
}

fn put<const N: usize>(batch: &mut [u8], at: usize, value: [u8; N]) {
    batch[at..at + N].copy_from_slice(&value);
}

#[inline]
fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&header[at..at + N]);
    value
}

/// Too few bytes for a header: what is there may already show that more would not help. Kafka looks at length and magic in this
/// order, so the answers agree with its own.
#[cold]
fn short_header(bytes: &[u8]) -> BatchError {
    let incomplete = BatchError::Incomplete {
        needed_bytes: HEADER_BYTES,
        present_bytes: bytes.len(),
    };
    let Some(length) = bytes.get(LENGTH_AT..LENGTH_END) else {
        return incomplete;
    };
    let batch_length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    // 14 is the overhead of a magic-0 message, the smallest thing Kafka ever stored behind a length.
    if batch_length < 14 {
        return BatchError::LengthBelowHeader { batch_length };
    }
    match bytes.get(MAGIC_AT) {
        Some(&magic) if magic as i8 != MAGIC_V2 => wrong_magic(magic as i8),
        Some(_) if batch_length < BATCH_LENGTH_MIN => {
            BatchError::LengthBelowHeader { batch_length }
        }
        _ => incomplete,
    }
}

#[cold]
fn wrong_magic(magic: i8) -> BatchError {
    if magic == 0 || magic == 1 {
        BatchError::OldMagic { magic }
    } else {
        BatchError::UnknownMagic { magic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BatchBuilder;

    #[test]
    fn sequence_wraps_to_zero_after_the_largest() {
        assert_eq!(next_sequence(i32::MAX, 1), 0);
        assert_eq!(next_sequence(i32::MAX - 1, 1), i32::MAX);
        assert_eq!(next_sequence(i32::MAX - 1, 3), 1);
        assert_eq!(next_sequence(5, 0), 5);
        assert_eq!(next_sequence(i32::MAX, i32::MAX), i32::MAX - 1);
    }

    #[test]
    fn every_prefix_of_a_header_is_incomplete() {
        let mut builder = BatchBuilder::new();
        builder.append(7, Some(b"k"), Some(b"v"), &[]);
        let batch = builder.build();
        for len in 0..HEADER_BYTES {
            assert_eq!(
                BatchHeader::parse(&batch[..len]),
                Err(BatchError::Incomplete {
                    needed_bytes: HEADER_BYTES,
                    present_bytes: len
                })
            );
        }
        assert!(BatchHeader::parse(&batch[..HEADER_BYTES]).is_ok());
    }

    #[test]
    fn a_negative_or_tiny_length_is_refused() {
        let mut builder = BatchBuilder::new();
        builder.append(7, None, Some(b"v"), &[]);
        let mut batch = builder.build();
        for length in [-1, 0, 13, 48, i32::MIN] {
            batch[LENGTH_AT..LENGTH_END].copy_from_slice(&length.to_be_bytes());
            assert_eq!(
                BatchHeader::parse(&batch),
                Err(BatchError::LengthBelowHeader {
                    batch_length: length
                })
            );
        }
    }
}
