//! Owns reading the records of a batch. Never on the append or fetch path: a broker serves batches as bytes.
//! Invariant: yields at most `record_count` records, each within the bytes of the batch, then nothing after the first error.
//!
//! ```text
//! varint length of the rest, i8 attributes, varlong timestamp delta, varint offset delta,
//! varint key length (-1 null), key, varint value length (-1 null), value,
//! varint header count, each: varint key length, key, varint value length (-1 null), value
//! ```

use std::borrow::Cow;

use crate::compression;
use crate::cursor::Cursor;
use crate::error::BatchError;
use crate::header::{BatchHeader, HEADER_BYTES, NO_SEQUENCE, next_sequence};

/// How much one batch may decompress to where the caller names no limit: 64 MiB, 64 times the default `max.message.bytes`.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The records of one batch, decompressed if they were compressed.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    bytes: Cow<'a, [u8]>,
}

/// Opens the records of `batch`, which must start with one whole batch. The checksum is not looked at.
pub fn records(batch: &[u8]) -> Result<Records<'_>, BatchError> {
    records_with_limit(batch, DECOMPRESSED_BYTES_MAX)
}

/// As `records`, with the caller's limit on the decompressed size.
pub fn records_with_limit(
    batch: &[u8],
    decompressed_bytes_max: usize,
) -> Result<Records<'_>, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let body = batch
        .get(HEADER_BYTES..header.size_bytes())
        .ok_or(BatchError::Incomplete {
            needed_bytes: header.size_bytes(),
            present_bytes: batch.len(),
        })?;
    if header.record_count < 0 {
        return Err(BatchError::NegativeRecordCount {
            record_count: header.record_count,
        });
    }
    let bytes = match header.codec()? {
        None => Cow::Borrowed(body),
        // A batch that compaction emptied may keep its codec bits and no bytes.
        Some(_) if header.record_count == 0 => Cow::Borrowed(&[][..]),
        Some(codec) => {
            let mut plain = Vec::new();
            compression::decompress(codec, body, decompressed_bytes_max, &mut plain)?;
            Cow::Owned(plain)
        }
    };
    Ok(Records { header, bytes })
}

impl Records<'_> {
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Bytes of the records, uncompressed.
    pub fn uncompressed_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The records as they lie behind each other.
    pub(crate) fn uncompressed(&self) -> &[u8] {
        &self.bytes
    }

    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter {
            header: self.header,
            rest: &self.bytes,
            index: 0,
            done: false,
        }
    }
}

impl<'r> IntoIterator for &'r Records<'_> {
    type Item = Result<RecordView<'r>, BatchError>;
    type IntoIter = RecordIter<'r>;

    fn into_iter(self) -> RecordIter<'r> {
        self.iter()
    }
}

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    pub offset: i64,
    /// Create time, or the batch's max timestamp under log-append time.
    pub timestamp: i64,
    /// -1 without a producer id.
    pub sequence: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
    /// Key, value and headers as they lie in the batch: what a rewritten batch takes over unread.
    pub(crate) encoded: &'a [u8],
}

/// The headers of one record; checked when the record was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    count: u32,
    bytes: &'a [u8],
}

/// One header. The key is UTF-8 by contract only, so it stays bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderView<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    pub fn len(&self) -> usize {
        self.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> HeaderIter<'a> {
        HeaderIter {
            left: self.count,
            rest: Cursor::new(self.bytes),
        }
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = HeaderView<'a>;
    type IntoIter = HeaderIter<'a>;

    fn into_iter(self) -> HeaderIter<'a> {
        self.iter()
    }
}

#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    left: u32,
    rest: Cursor<'a>,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = HeaderView<'a>;

    fn next(&mut self) -> Option<HeaderView<'a>> {
        self.left = self.left.checked_sub(1)?;
        Some(read_header(&mut self.rest).expect("headers were checked when the record was read"))
    }
}

/// Walks the records of a batch; see `Records::iter`.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    index: i32,
    done: bool,
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<RecordView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.index == self.header.record_count {
            self.done = true;
            return match self.rest.len() {
                0 => None,
                extra_bytes => Some(Err(BatchError::BytesAfterLastRecord { extra_bytes })),
            };
        }
        let record = self.read().ok_or(BatchError::MalformedRecord {
            record_index: self.index,
        });
        self.index += 1;
        self.done = record.is_err();
        Some(record)
    }
}

impl std::iter::FusedIterator for RecordIter<'_> {}

impl<'a> RecordIter<'a> {
    #[inline]
    fn read(&mut self) -> Option<RecordView<'a>> {
        let mut rest = Cursor::new(self.rest);
        let length = usize::try_from(rest.varint()?).ok()?;
        let mut fields = Cursor::new(rest.take(length)?);
        let _attributes = fields.take(1)?;
        let timestamp_delta = fields.varlong()?;
        let offset_delta = fields.varint()?;
        let encoded = fields.rest();
        let key = fields.nullable_bytes()?;
        let value = fields.nullable_bytes()?;
        let headers = read_headers(&mut fields)?;
        if !fields.is_empty() {
            return None;
        }
        self.rest = rest.rest();
        let header = &self.header;
        Some(RecordView {
            offset: header.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp: if header.is_log_append_time() {
                header.max_timestamp
            } else {
                header.base_timestamp.wrapping_add(timestamp_delta)
            },
            sequence: if header.base_sequence < 0 {
                NO_SEQUENCE
            } else {
                next_sequence(header.base_sequence, offset_delta)
            },
            key,
            value,
            headers,
            encoded,
        })
    }
}

#[inline]
fn read_header<'a>(fields: &mut Cursor<'a>) -> Option<HeaderView<'a>> {
    let key_len = usize::try_from(fields.varint()?).ok()?;
    Some(HeaderView {
        key: fields.take(key_len)?,
        value: fields.nullable_bytes()?,
    })
}

#[inline]
fn read_headers<'a>(fields: &mut Cursor<'a>) -> Option<Headers<'a>> {
    let count = u32::try_from(fields.varint()?).ok()?;
    let bytes = fields.rest();
    // A header takes two bytes at least, so the loop ends within the record whatever the count says.
    for _ in 0..count {
        read_header(fields)?;
    }
    Some(Headers {
        count,
        bytes: &bytes[..bytes.len() - fields.rest().len()],
    })
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
