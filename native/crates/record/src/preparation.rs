//! Owns what a topic asks of the records of a produced batch beyond its header: a key in each, times within limits, another codec.
//! Never on a reactor: it decompresses. Invariant: what comes out holds the same records, byte for byte, behind the same header but for
//! codec, length, max timestamp and checksum.

use crate::checksum::write_crc;
use crate::compression::{self, Compression};
use crate::error::BatchError;
use crate::header::{
    ATTRIBUTES_AT, BatchHeader, CODEC_MASK, HEADER_BYTES, LENGTH_AT, LENGTH_END, MAX_TIMESTAMP_AT,
    NO_TIMESTAMP, TimestampType,
};
use crate::produced::ProduceLimits;
use crate::records::records_with_limit;

/// `compression.type`, with the level of its codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicCompression {
    /// Batches stay as their producers made them.
    #[default]
    Producer,
    Uncompressed,
    Codec {
        codec: Compression,
        /// None: the codec's own default.
        level: Option<i32>,
    },
}

impl TopicCompression {
    /// The codec a batch is to have that came with `codec`.
    fn target(self, codec: Option<Compression>) -> Option<Compression> {
        match self {
            TopicCompression::Producer => codec,
            TopicCompression::Uncompressed => None,
            TopicCompression::Codec { codec, .. } => Some(codec),
        }
    }

    /// Whether a batch of `codec` has to be written anew. As in Kafka, another level alone is no reason.
    pub fn changes(self, codec: Option<Compression>) -> bool {
        self.target(codec) != codec
    }
}

/// What is asked of the records.
#[derive(Clone, Copy, Debug)]
pub struct Preparation {
    pub limits: ProduceLimits,
    pub compression: TopicCompression,
    /// The topic is compacted.
    pub needs_keys: bool,
    /// How much the records may decompress to.
    pub decompressed_bytes_max: usize,
    /// Bad records that are named; the rest goes unsaid.
    pub record_errors_max: usize,
}

/// Why the batch is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparationError {
    pub error: BatchError,
    /// Bad records by index, with what is wrong with each.
    pub records: Vec<(i32, BatchError)>,
}

impl From<BatchError> for PreparationError {
    fn from(error: BatchError) -> PreparationError {
        PreparationError {
            error,
            records: Vec::new(),
        }
    }
}

/// Looks at every record, in Kafka's order of checks (LogValidator), and writes the batch with the topic's codec. None: it stays as it is.
pub fn prepare(
    batch: &[u8],
    preparation: &Preparation,
) -> Result<Option<Vec<u8>>, PreparationError> {
    let header = BatchHeader::parse(batch)?;
    let records = records_with_limit(batch, preparation.decompressed_bytes_max)?;
    let mut bad = Vec::new();
    let mut max_timestamp = NO_TIMESTAMP;
    let checks_time = preparation.limits.timestamp_type == TimestampType::CreateTime;
    for (index, record) in (0..).zip(&records) {
        let record = record?;
        max_timestamp = max_timestamp.max(record.timestamp);
        let checked = if record.offset != header.base_offset.wrapping_add(i64::from(index)) {
            Err(BatchError::OffsetsNotConsecutive {
                record_index: index,
            })
        } else if preparation.needs_keys && record.key.is_none() {
            Err(BatchError::KeyMissing {
                record_index: index,
            })
        } else if checks_time {
            preparation.limits.check_timestamp(record.timestamp)
        } else {
            Ok(())
        };
        if let Err(error) = checked {
            bad.push((index, error));
            if bad.len() >= preparation.record_errors_max {
                break;
            }
        }
    }
    if let Some((_, first)) = bad.first() {
        // Kafka: one bad time among them makes it INVALID_TIMESTAMP.
        let of_time = bad
            .iter()
            .find(|(_, error)| matches!(error, BatchError::TimestampOutOfRange { .. }));
        let error = of_time.map_or(*first, |(_, error)| *error);
        return Err(PreparationError {
            error,
            records: bad,
        });
    }
    if !preparation.compression.changes(header.compression()) {
        return Ok(None);
    }
    let target = preparation.compression.target(header.compression());
    let level = match preparation.compression {
        TopicCompression::Codec { level, .. } => level,
        TopicCompression::Producer | TopicCompression::Uncompressed => None,
    };
    let encoded = encode(batch, records.uncompressed(), target, level, max_timestamp)?;
    let batch_bytes = encoded.len();
    let limits = &preparation.limits;
    if batch_bytes > limits.max_message_bytes {
        return Err(BatchError::TooLarge {
            batch_bytes,
            max_message_bytes: limits.max_message_bytes,
        }
        .into());
    }
    if batch_bytes > limits.segment_bytes {
        return Err(BatchError::LargerThanSegment {
            batch_bytes,
            segment_bytes: limits.segment_bytes,
        }
        .into());
    }
    Ok(Some(encoded))
}

/// The header of `batch` over these records in another codec.
fn encode(
    batch: &[u8],
    records: &[u8],
    codec: Option<Compression>,
    level: Option<i32>,
    max_timestamp: i64,
) -> Result<Vec<u8>, BatchError> {
    let mut encoded = Vec::with_capacity(HEADER_BYTES + records.len());
    encoded.extend_from_slice(&batch[..HEADER_BYTES]);
    match codec {
        None => encoded.extend_from_slice(records),
        Some(codec) => compression::compress(codec, level, records, &mut encoded),
    }
    let length = i32::try_from(encoded.len() - LENGTH_END).map_err(|_| BatchError::TooLarge {
        batch_bytes: encoded.len(),
        max_message_bytes: i32::MAX as usize,
    })?;
    encoded[LENGTH_AT..LENGTH_END].copy_from_slice(&length.to_be_bytes());
    let attributes = i16::from_be_bytes([encoded[ATTRIBUTES_AT], encoded[ATTRIBUTES_AT + 1]]);
    let attributes = (attributes & !CODEC_MASK) | codec.map_or(0, |codec| i16::from(codec.id()));
    encoded[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
    encoded[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&max_timestamp.to_be_bytes());
    write_crc(&mut encoded);
    Ok(encoded)
}

#[cfg(test)]
#[path = "preparation_tests.rs"]
mod tests;
