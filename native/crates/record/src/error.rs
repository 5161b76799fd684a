//! Owns the reasons a batch is refused, each with the Kafka error code a client gets. Never holds text: a refusal must not allocate.

use std::fmt;

use crate::compression::Compression;

// The numbers are Kafka's; millrace_wire::error_codes has the whole table, which this crate may not import.
const CORRUPT_MESSAGE: i16 = 2;
const MESSAGE_TOO_LARGE: i16 = 10;
const RECORD_LIST_TOO_LARGE: i16 = 18;
const INVALID_TIMESTAMP: i16 = 32;
const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;
const INVALID_RECORD: i16 = 87;

/// Why bytes are not a batch, or not one a producer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// There is no whole batch in the bytes.
    Incomplete {
        needed_bytes: usize,
        present_bytes: usize,
    },
    /// The length field names a batch smaller than its own header.
    LengthBelowHeader { batch_length: i32 },
    /// A magic no Kafka version ever wrote.
    UnknownMagic { magic: i8 },
    /// Magic 0 or 1: read from old files by Kafka, never accepted from a producer.
    OldMagic { magic: i8 },
    /// Bytes follow the batch: a second batch, or garbage.
    MoreThanOneBatch { extra_bytes: usize },
    /// A producer numbers its records from 0; the broker assigns the offsets.
    BaseOffsetNotZero { base_offset: i64 },
    /// Larger than `max.message.bytes`.
    TooLarge {
        batch_bytes: usize,
        max_message_bytes: usize,
    },
    /// Larger than a whole segment may be.
    LargerThanSegment {
        batch_bytes: usize,
        segment_bytes: usize,
    },
    /// Bytes and checksum disagree.
    CrcMismatch { stored: u32, computed: u32 },
    /// The record count and the last offset delta disagree, or one of them is not positive.
    CountMismatch {
        record_count: i32,
        last_offset_delta: i32,
    },
    /// Clients may not write control batches.
    ControlBatch,
    /// A batch with a producer id has a base sequence.
    SequenceMissing {
        producer_id: i64,
        base_sequence: i32,
    },
    /// Outside `message.timestamp.before.max.ms` / `message.timestamp.after.max.ms`.
    TimestampOutOfRange { timestamp: i64 },
    /// Only the broker marks a batch as log-append time.
    LogAppendTimeFromProducer,
    /// Codec bits 5 to 7.
    UnknownCodec { codec: u8 },
    /// KIP-110: zstd needs Produce version 7.
    ZstdBeforeVersion7 { produce_version: i16 },
    /// The codec does not understand the bytes.
    Decompression { codec: Compression },
    /// More comes out of the codec than the reader allowed.
    DecompressedTooLarge { limit_bytes: usize },
    /// A record's fields do not add up to its length, or a length is impossible.
    MalformedRecord { record_index: i32 },
    /// The header counts fewer records than there are bytes for.
    BytesAfterLastRecord { extra_bytes: usize },
    /// The header counts less than no records.
    NegativeRecordCount { record_count: i32 },
    /// A control record's key or value is not of a known shape.
    MalformedControlRecord,
    /// A compacted topic takes no record without a key.
    KeyMissing { record_index: i32 },
    /// A producer's records have consecutive offsets.
    OffsetsNotConsecutive { record_index: i32 },
}

impl BatchError {
    /// Whether Kafka finds this out while it appends; then its answer says where the log starts.
    pub fn is_found_appending(&self) -> bool {
        match self {
            BatchError::BaseOffsetNotZero { .. }
            | BatchError::CountMismatch { .. }
            | BatchError::ControlBatch
            | BatchError::SequenceMissing { .. }
            | BatchError::TimestampOutOfRange { .. }
            | BatchError::LogAppendTimeFromProducer
            | BatchError::Decompression { .. }
            | BatchError::MalformedRecord { .. }
            | BatchError::BytesAfterLastRecord { .. }
            | BatchError::KeyMissing { .. }
            | BatchError::OffsetsNotConsecutive { .. } => true,
            BatchError::Incomplete { .. }
            | BatchError::LengthBelowHeader { .. }
            | BatchError::UnknownMagic { .. }
            | BatchError::OldMagic { .. }
            | BatchError::MoreThanOneBatch { .. }
            | BatchError::TooLarge { .. }
            | BatchError::LargerThanSegment { .. }
            | BatchError::CrcMismatch { .. }
            | BatchError::UnknownCodec { .. }
            | BatchError::ZstdBeforeVersion7 { .. }
            | BatchError::DecompressedTooLarge { .. }
            | BatchError::NegativeRecordCount { .. }
            | BatchError::MalformedControlRecord => false,
        }
    }

    /// The code Kafka 4.x answers a Produce with.
    ///
    /// Sources: LogValidator, ProduceRequest.validateRecords and UnifiedLog of Apache Kafka. Two differ on purpose: an unknown
    /// codec and an undecodable record section are UNKNOWN_SERVER_ERROR in Kafka, which tells the client nothing.
    pub fn kafka_code(&self) -> i16 {
        match self {
            BatchError::LengthBelowHeader { .. }
            | BatchError::UnknownMagic { .. }
            | BatchError::CrcMismatch { .. } => CORRUPT_MESSAGE,
            BatchError::TooLarge { .. } | BatchError::DecompressedTooLarge { .. } => {
                MESSAGE_TOO_LARGE
            }
            BatchError::LargerThanSegment { .. } => RECORD_LIST_TOO_LARGE,
            BatchError::TimestampOutOfRange { .. } | BatchError::LogAppendTimeFromProducer => {
                INVALID_TIMESTAMP
            }
            BatchError::UnknownCodec { .. } | BatchError::ZstdBeforeVersion7 { .. } => {
                UNSUPPORTED_COMPRESSION_TYPE
            }
            BatchError::Incomplete { .. }
            | BatchError::OldMagic { .. }
            | BatchError::MoreThanOneBatch { .. }
            | BatchError::BaseOffsetNotZero { .. }
            | BatchError::CountMismatch { .. }
            | BatchError::ControlBatch
            | BatchError::SequenceMissing { .. }
            | BatchError::Decompression { .. }
            | BatchError::MalformedRecord { .. }
            | BatchError::BytesAfterLastRecord { .. }
            | BatchError::NegativeRecordCount { .. }
            | BatchError::MalformedControlRecord
            | BatchError::KeyMissing { .. }
            | BatchError::OffsetsNotConsecutive { .. } => INVALID_RECORD,
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::Incomplete {
                needed_bytes,
                present_bytes,
            } => {
                write!(
                    f,
                    "no whole record batch: {needed_bytes} bytes needed, {present_bytes} present"
                )
            }
            BatchError::LengthBelowHeader { batch_length } => {
                write!(
                    f,
                    "batch length {batch_length} is smaller than a batch header"
                )
            }
            BatchError::UnknownMagic { magic } => write!(f, "invalid magic {magic}"),
            BatchError::OldMagic { magic } => write!(
                f,
                "only record batches with magic 2 are accepted, not {magic}"
            ),
            BatchError::MoreThanOneBatch { extra_bytes } => {
                write!(
                    f,
                    "exactly one record batch per partition is accepted; {extra_bytes} bytes follow the first"
                )
            }
            BatchError::BaseOffsetNotZero { base_offset } => {
                write!(
                    f,
                    "the base offset of a produced batch should be 0, but it is {base_offset}"
                )
            }
            BatchError::TooLarge {
                batch_bytes,
                max_message_bytes,
            } => {
                write!(
                    f,
                    "the batch of {batch_bytes} bytes exceeds max.message.bytes {max_message_bytes}"
                )
            }
            BatchError::LargerThanSegment {
                batch_bytes,
                segment_bytes,
            } => {
                write!(
                    f,
                    "the batch of {batch_bytes} bytes exceeds segment.bytes {segment_bytes}"
                )
            }
            BatchError::CrcMismatch { stored, computed } => {
                write!(
                    f,
                    "record batch is corrupt (stored crc = {stored}, computed crc = {computed})"
                )
            }
            BatchError::CountMismatch {
                record_count,
                last_offset_delta,
            } => {
                write!(
                    f,
                    "record count {record_count} does not match last offset delta {last_offset_delta}"
                )
            }
            BatchError::ControlBatch => {
                f.write_str("clients are not allowed to write control records")
            }
            BatchError::SequenceMissing {
                producer_id,
                base_sequence,
            } => {
                write!(
                    f,
                    "invalid sequence {base_sequence} in a batch of producer id {producer_id}"
                )
            }
            BatchError::TimestampOutOfRange { timestamp } => {
                write!(f, "timestamp {timestamp} is out of range")
            }
            BatchError::LogAppendTimeFromProducer => {
                f.write_str("a producer should not set the timestamp type to LogAppendTime")
            }
            BatchError::UnknownCodec { codec } => write!(f, "unknown compression codec {codec}"),
            BatchError::ZstdBeforeVersion7 { produce_version } => {
                write!(
                    f,
                    "zstd needs Produce version 7, the request has {produce_version}"
                )
            }
            BatchError::Decompression { codec } => {
                write!(f, "the records are not valid {}", codec.name())
            }
            BatchError::DecompressedTooLarge { limit_bytes } => {
                write!(f, "the records decompress to more than {limit_bytes} bytes")
            }
            BatchError::MalformedRecord { record_index } => {
                write!(f, "record {record_index} is malformed")
            }
            BatchError::BytesAfterLastRecord { extra_bytes } => {
                write!(f, "{extra_bytes} bytes follow the last counted record")
            }
            BatchError::NegativeRecordCount { record_count } => {
                write!(f, "invalid record count {record_count}")
            }
            BatchError::MalformedControlRecord => f.write_str("malformed control record"),
            BatchError::KeyMissing { .. } => {
                f.write_str("a compacted topic takes no record without a key")
            }
            BatchError::OffsetsNotConsecutive { record_index } => {
                write!(
                    f,
                    "record {record_index} has not the offset behind the one before it"
                )
            }
        }
    }
}

impl std::error::Error for BatchError {}
