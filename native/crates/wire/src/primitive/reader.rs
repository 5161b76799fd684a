//! Owns reading primitives from a frame. Invariant: the position never passes the end, and no count is believed that the rest of
//! the frame could not hold.

use super::Uuid;
use crate::byte_range::ByteRange;
use crate::error::WireError;

const VARINT_BYTES_MAX: usize = 5;

/// Reads primitives off a frame, front to back.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    frame: &'a [u8],
    position: usize,
    flexible: bool,
}

impl<'a> Reader<'a> {
    /// A reader at `position` of `frame`; ranges it yields count from the start of `frame`.
    #[inline]
    pub fn new(frame: &'a [u8], position: usize, flexible: bool) -> Reader<'a> {
        assert!(position <= frame.len(), "a reader starts within its frame");
        Reader {
            frame,
            position,
            flexible,
        }
    }

    #[inline]
    pub fn position(&self) -> usize {
        self.position
    }

    #[inline]
    pub fn remaining_bytes(&self) -> usize {
        self.frame.len() - self.position
    }

    #[inline]
    pub fn is_flexible(&self) -> bool {
        self.flexible
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        match self.frame[self.position..].first_chunk::<N>() {
            Some(bytes) => {
                self.position += N;
                Ok(*bytes)
            }
            None => Err(self.truncated(N)),
        }
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<ByteRange, WireError> {
        if len > self.remaining_bytes() {
            return Err(self.truncated(len));
        }
        let range = ByteRange {
            start: self.position as u32,
            len: len as u32,
        };
        self.position += len;
        Ok(range)
    }

    #[cold]
    fn truncated(&self, needed_bytes: usize) -> WireError {
        WireError::Truncated {
            needed_bytes,
            remaining_bytes: self.remaining_bytes(),
        }
    }

    #[inline]
    pub fn i8(&mut self) -> Result<i8, WireError> {
        self.array().map(i8::from_be_bytes)
    }

    /// Kafka writes 0 or 1 and reads anything but 0 as true.
    #[inline]
    pub fn boolean(&mut self) -> Result<bool, WireError> {
        self.i8().map(|value| value != 0)
    }

    #[inline]
    pub fn i16(&mut self) -> Result<i16, WireError> {
        self.array().map(i16::from_be_bytes)
    }

    #[inline]
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub fn i32(&mut self) -> Result<i32, WireError> {
        self.array().map(i32::from_be_bytes)
    }

    #[inline]
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub fn i64(&mut self) -> Result<i64, WireError> {
        self.array().map(i64::from_be_bytes)
    }

    #[inline]
    pub fn uuid(&mut self) -> Result<Uuid, WireError> {
        self.array()
    }

    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        let mut value = 0u32;
        for (index, &byte) in self.frame[self.position..]
            .iter()
            .take(VARINT_BYTES_MAX)
            .enumerate()
        {
            // Like Java's reader, bits of the fifth byte beyond the 32nd are dropped.
            value |= u32::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.position += index + 1;
                return Ok(value);
            }
        }
        if self.remaining_bytes() < VARINT_BYTES_MAX {
            return Err(self.truncated(self.remaining_bytes() + 1));
        }
        Err(WireError::VarintTooLong)
    }

    /// Length of a string: i16, or compact.
    #[inline]
    fn string_len(&mut self) -> Result<Option<usize>, WireError> {
        if self.flexible {
            return self.compact_len();
        }
        let length = self.i16()?;
        nullable_len(i32::from(length))
    }

    /// Length of bytes or an array: i32, or compact.
    #[inline]
    fn wide_len(&mut self) -> Result<Option<usize>, WireError> {
        if self.flexible {
            return self.compact_len();
        }
        let length = self.i32()?;
        nullable_len(length)
    }

    /// Compact lengths count one more, so that 0 means null.
    #[inline]
    fn compact_len(&mut self) -> Result<Option<usize>, WireError> {
        Ok(self
            .unsigned_varint()?
            .checked_sub(1)
            .map(|len| len as usize))
    }

    #[inline]
    pub fn string(&mut self) -> Result<&'a str, WireError> {
        self.nullable_string()?.ok_or(WireError::UnexpectedNull)
    }

    #[inline]
    pub fn nullable_string(&mut self) -> Result<Option<&'a str>, WireError> {
        self.nullable_string_range()?
            .map(|range| self.utf8(range))
            .transpose()
    }

    /// As `nullable_string`, as a range of the frame; its UTF-8 is checked.
    #[inline]
    pub fn nullable_string_range_checked(&mut self) -> Result<Option<ByteRange>, WireError> {
        let range = self.nullable_string_range()?;
        if let Some(range) = range {
            self.utf8(range)?;
        }
        Ok(range)
    }

    #[inline]
    fn nullable_string_range(&mut self) -> Result<Option<ByteRange>, WireError> {
        match self.string_len()? {
            Some(len) => self.take(len).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn utf8(&self, range: ByteRange) -> Result<&'a str, WireError> {
        std::str::from_utf8(range.of(self.frame)).map_err(|_| WireError::InvalidUtf8)
    }

    /// The client id of a request header: an i16 length in every header version, and bytes, as nothing depends on its encoding.
    #[inline]
    pub fn header_client_id(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        let length = self.i16()?;
        match nullable_len(i32::from(length))? {
            Some(len) => self.take(len).map(|range| Some(range.of(self.frame))),
            None => Ok(None),
        }
    }

    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        self.nullable_bytes()?.ok_or(WireError::UnexpectedNull)
    }

    #[inline]
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        Ok(self
            .nullable_bytes_range()?
            .map(|range| range.of(self.frame)))
    }

    /// As `nullable_bytes`, as a range of the frame. Records are read with this: they are never copied.
    #[inline]
    pub fn nullable_bytes_range(&mut self) -> Result<Option<ByteRange>, WireError> {
        match self.wide_len()? {
            Some(len) => self.take(len).map(Some),
            None => Ok(None),
        }
    }

    /// Element count of an array that may not be null. `element_bytes_min` is the least one element takes in this version.
    #[inline]
    pub fn array_count(&mut self, element_bytes_min: usize) -> Result<u32, WireError> {
        self.nullable_array_count(element_bytes_min)?
            .ok_or(WireError::UnexpectedNull)
    }

    #[inline]
    pub fn nullable_array_count(
        &mut self,
        element_bytes_min: usize,
    ) -> Result<Option<u32>, WireError> {
        let Some(count) = self.wide_len()? else {
            return Ok(None);
        };
        let count = count as u32;
        let remaining_bytes = self.remaining_bytes();
        if count as usize > remaining_bytes / element_bytes_min.max(1) {
            return Err(WireError::CountBeyondFrame {
                count,
                remaining_bytes,
            });
        }
        Ok(Some(count))
    }

    /// Steps over the tagged fields at the end of a struct; nothing is there in a classic message.
    #[inline]
    pub fn skip_tagged_fields(&mut self) -> Result<(), WireError> {
        self.tagged_fields(|_, _| Ok(false))
    }

    /// Reads the tagged fields at the end of a struct. `field` gets each tag with a reader of exactly its bytes; true means it read
    /// the field, which must then be all of it; false leaves an unknown one to be stepped over.
    #[inline]
    pub fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, &mut Reader<'a>) -> Result<bool, WireError>,
    ) -> Result<(), WireError> {
        if !self.flexible {
            return Ok(());
        }
        let count = self.unsigned_varint()?;
        // Each field takes two bytes at least, so the loop ends within the frame whatever the count says.
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            let len = self.unsigned_varint()? as usize;
            let range = self.take(len)?;
            let mut content = Reader {
                frame: &self.frame[..range.end()],
                position: range.start as usize,
                flexible: true,
            };
            if field(tag, &mut content)? && content.remaining_bytes() != 0 {
                return Err(WireError::InvalidTag { tag });
            }
        }
        Ok(())
    }
}

#[inline]
fn nullable_len(length: i32) -> Result<Option<usize>, WireError> {
    match length {
        -1 => Ok(None),
        _ => usize::try_from(length)
            .map(Some)
            .map_err(|_| WireError::NegativeLength { length }),
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
