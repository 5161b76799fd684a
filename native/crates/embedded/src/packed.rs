//! Owns the packed form in which a caller hands over many records in one buffer. Invariant: a count is only given for bytes that are whole.
//!
//! One record, little-endian, the next one right behind it:
//!
//! ```text
//! 0  u32 key bytes, ffff_ffff = no key
//! 4  u32 value bytes, ffff_ffff = no value
//! 8  key, value
//! ```

use crate::error::StoreError;

const SIZES_BYTES: usize = 8;
const NONE: u32 = u32::MAX;

/// Walks packed records. The walk ends, with `rest` not empty, where they are not whole.
pub struct PackedRecords<'a> {
    rest: &'a [u8],
}

type KeyAndValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

impl<'a> PackedRecords<'a> {
    pub fn new(bytes: &'a [u8]) -> PackedRecords<'a> {
        PackedRecords { rest: bytes }
    }

    pub(crate) fn peek(&self) -> Option<(KeyAndValue<'a>, &'a [u8])> {
        let (sizes, rest) = self.rest.split_first_chunk::<SIZES_BYTES>()?;
        let size = |at: usize| {
            u32::from_le_bytes([sizes[at], sizes[at + 1], sizes[at + 2], sizes[at + 3]])
        };
        let (key, rest) = field(rest, size(0))?;
        let (value, rest) = field(rest, size(4))?;
        Some(((key, value), rest))
    }

    pub(crate) fn advance(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Iterator for PackedRecords<'a> {
    type Item = KeyAndValue<'a>;

    fn next(&mut self) -> Option<KeyAndValue<'a>> {
        let (record, rest) = self.peek()?;
        self.rest = rest;
        Some(record)
    }
}

fn field(bytes: &[u8], size: u32) -> Option<(Option<&[u8]>, &[u8])> {
    if size == NONE {
        return Some((None, bytes));
    }
    let (field, rest) = bytes.split_at_checked(size as usize)?;
    Some((Some(field), rest))
}

/// How many records `bytes` holds; an error when they do not end with one.
pub fn packed_record_count(bytes: &[u8]) -> Result<u32, StoreError> {
    let mut records = PackedRecords::new(bytes);
    let mut count = 0;
    while records.next().is_some() {
        count += 1;
    }
    if records.is_empty() {
        Ok(count)
    } else {
        Err(StoreError::new(
            "INVALID_RECORD",
            format!(
                "packed record {count} at byte {} of {} is not whole",
                bytes.len() - records.rest.len(),
                bytes.len()
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_whole_records_and_names_the_first_that_is_not() {
        let mut bytes = Vec::new();
        for (key, value) in [
            (Some(b"k".as_slice()), Some(b"value".as_slice())),
            (None, None),
            (None, Some(b"")),
        ] {
            for field in [key, value] {
                let size = field.map_or(NONE, |field| field.len() as u32);
                bytes.extend_from_slice(&size.to_le_bytes());
            }
            bytes.extend_from_slice(key.unwrap_or_default());
            bytes.extend_from_slice(value.unwrap_or_default());
        }
        let records: Vec<_> = PackedRecords::new(&bytes).collect();
        assert_eq!(
            records,
            [
                (Some(b"k".as_slice()), Some(b"value".as_slice())),
                (None, None),
                (None, Some(b"".as_slice()))
            ]
        );
        assert_eq!(packed_record_count(&bytes), Ok(3));
        let error = packed_record_count(&bytes[..bytes.len() - 1]).expect_err("cut");
        assert_eq!(error.code, "INVALID_RECORD");
        assert!(error.message.contains("record 2 at byte 22"), "{error}");
    }
}
