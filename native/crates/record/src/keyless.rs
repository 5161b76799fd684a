//! Owns the one rule that needs records decoded on Produce: a compacted topic takes no record without a key.
//! Never runs for other topics.

use crate::error::BatchError;
use crate::records::{records, records_with_limit};

/// True when at least one record has a null key. Stops at the first; may decompress, up to `DECOMPRESSED_BYTES_MAX`.
pub fn has_record_without_key(batch: &[u8]) -> Result<bool, BatchError> {
    for record in &records(batch)? {
        if record?.key.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The indexes of the records with a null key, of the first `indexes_max` of them: the record errors of a Produce v8+ answer.
pub fn records_without_key(
    batch: &[u8],
    decompressed_bytes_max: usize,
    indexes_max: usize,
) -> Result<Vec<i32>, BatchError> {
    let mut indexes = Vec::new();
    for (index, record) in (0..).zip(&records_with_limit(batch, decompressed_bytes_max)?) {
        if indexes.len() == indexes_max {
            break;
        }
        if record?.key.is_none() {
            indexes.push(index);
        }
    }
    Ok(indexes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, Compression};

    #[test]
    fn names_the_records_without_a_key() {
        for codec in [None, Some(Compression::Zstd), Some(Compression::Snappy)] {
            let mut builder = BatchBuilder::new();
            builder.compression(codec);
            builder.append(1, Some(b""), None, &[]);
            assert_eq!(has_record_without_key(&builder.build()), Ok(false));
            builder.append(1, None, Some(b"v"), &[]);
            builder.append(1, Some(b"k"), None, &[]);
            builder.append(1, None, None, &[]);
            let batch = builder.build();
            assert_eq!(records_without_key(&batch, 1024, 10), Ok(vec![1, 3]));
            assert_eq!(records_without_key(&batch, 1024, 1), Ok(vec![1]));
            assert_eq!(has_record_without_key(&batch), Ok(true));
        }
    }
}
