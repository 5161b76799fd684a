//! Owns what a producer may send: the checks of one batch before it is appended, in Kafka's order. Never decodes a record.
//! Invariant: a batch that passes is one whole v2 batch whose bytes, checksum, count and sequences are what its header says.

use crate::checksum::{computed_crc, stored_crc};
use crate::compression::Compression;
use crate::error::BatchError;
use crate::header::{BatchHeader, NO_TIMESTAMP, TimestampType};

/// First Produce version that may carry zstd (KIP-110).
const ZSTD_PRODUCE_VERSION_MIN: i16 = 7;

/// What a topic and the request's version allow.
#[derive(Clone, Copy, Debug)]
pub struct ProduceLimits {
    /// `max.message.bytes`.
    pub max_message_bytes: usize,
    /// `segment.bytes`.
    pub segment_bytes: usize,
    /// Version of the Produce request.
    pub produce_version: i16,
    /// The broker's wall clock.
    pub now_ms: i64,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`; i64::MAX for any.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`; i64::MAX for any.
    pub timestamp_after_max_ms: i64,
}

/// Checks the record bytes of one partition of a Produce request.
///
/// Order and codes follow Kafka: framing (ByteBufferLogInputStream), ProduceRequest.validateRecords, UnifiedLog, LogValidator,
/// segment size. Three things are stricter or simpler than Kafka, on purpose:
/// - bytes after the batch are refused, where Kafka would drop an unfinished second batch;
/// - timestamps are not judged here: `ProduceLimits::wants_record_times` says whether the records have to be decoded for them;
/// - a batch that claims log-append time is refused on every topic.
#[inline]
pub fn validate_produced(batch: &[u8], limits: &ProduceLimits) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let batch_bytes = header.size_bytes();
    if batch.len() < batch_bytes {
        return Err(BatchError::Incomplete {
            needed_bytes: batch_bytes,
            present_bytes: batch.len(),
        });
    }
    let codec = header.codec()?;
    if codec == Some(Compression::Zstd) && limits.produce_version < ZSTD_PRODUCE_VERSION_MIN {
        return Err(BatchError::ZstdBeforeVersion7 {
            produce_version: limits.produce_version,
        });
    }
    if batch.len() > batch_bytes {
        return Err(BatchError::MoreThanOneBatch {
            extra_bytes: batch.len() - batch_bytes,
        });
    }
    if header.base_offset != 0 {
        return Err(BatchError::BaseOffsetNotZero {
            base_offset: header.base_offset,
        });
    }
    if batch_bytes > limits.max_message_bytes {
        return Err(BatchError::TooLarge {
            batch_bytes,
            max_message_bytes: limits.max_message_bytes,
        });
    }
    check_crc(batch)?;
    // One comparison for Kafka's three: range not empty, count positive, both equal.
    if header.record_count <= 0
        || i64::from(header.last_offset_delta) + 1 != i64::from(header.record_count)
    {
        return Err(BatchError::CountMismatch {
            record_count: header.record_count,
            last_offset_delta: header.last_offset_delta,
        });
    }
    if header.is_control() {
        return Err(BatchError::ControlBatch);
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(BatchError::SequenceMissing {
            producer_id: header.producer_id,
            base_sequence: header.base_sequence,
        });
    }
    if header.is_log_append_time() {
        return Err(BatchError::LogAppendTimeFromProducer);
    }
    if batch_bytes > limits.segment_bytes {
        return Err(BatchError::LargerThanSegment {
            batch_bytes,
            segment_bytes: limits.segment_bytes,
        });
    }
    Ok(header)
}

/// Checks a batch that did not come from a producer (our own control plane, a log on disk, a leader): one whole v2 batch with a
/// known codec and the right checksum.
pub fn validate_stored(batch: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let batch_bytes = header.size_bytes();
    if batch.len() < batch_bytes {
        return Err(BatchError::Incomplete {
            needed_bytes: batch_bytes,
            present_bytes: batch.len(),
        });
    }
    if batch.len() > batch_bytes {
        return Err(BatchError::MoreThanOneBatch {
            extra_bytes: batch.len() - batch_bytes,
        });
    }
    header.codec()?;
    check_crc(batch)?;
    Ok(header)
}

#[inline]
fn check_crc(batch: &[u8]) -> Result<(), BatchError> {
    let (stored, computed) = (stored_crc(batch), computed_crc(batch));
    if stored == computed {
        Ok(())
    } else {
        Err(BatchError::CrcMismatch { stored, computed })
    }
}

impl ProduceLimits {
    /// Whether the times of the records are to be looked at one by one: the header shows the youngest, but not the oldest.
    #[inline]
    pub fn wants_record_times(&self, header: &BatchHeader) -> bool {
        self.timestamp_type == TimestampType::CreateTime
            && (self.timestamp_before_max_ms != i64::MAX
                || self.check_timestamp(header.base_timestamp).is_err()
                || self.check_timestamp(header.max_timestamp).is_err())
    }

    /// A record without a timestamp (-1) is in no range and out of none.
    #[inline]
    pub(crate) fn check_timestamp(&self, timestamp: i64) -> Result<(), BatchError> {
        if timestamp == NO_TIMESTAMP {
            return Ok(());
        }
        // i128 because a hostile timestamp may be 2^63 away from now.
        let age_ms = i128::from(self.now_ms) - i128::from(timestamp);
        if age_ms > i128::from(self.timestamp_before_max_ms)
            || -age_ms > i128::from(self.timestamp_after_max_ms)
        {
            return Err(BatchError::TimestampOutOfRange { timestamp });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "produced_tests.rs"]
mod tests;
