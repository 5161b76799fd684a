//! Owns reading fields off the front of a slice. Invariant: every take is checked against what is left; None means it did not fit.

use crate::varint;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor(bytes)
    }

    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    #[inline]
    pub fn varint(&mut self) -> Option<i32> {
        let (value, len) = varint::read_varint(self.0).ok()?;
        self.0 = &self.0[len..];
        Some(value)
    }

    #[inline]
    pub fn varlong(&mut self) -> Option<i64> {
        let (value, len) = varint::read_varlong(self.0).ok()?;
        self.0 = &self.0[len..];
        Some(value)
    }

    #[inline]
    pub fn unsigned_varint(&mut self) -> Option<u32> {
        let (value, len) = varint::read_unsigned_varint(self.0).ok()?;
        self.0 = &self.0[len..];
        Some(value)
    }

    /// Zigzag length and bytes. Any negative length is null, as Java reads it.
    #[inline]
    pub fn nullable_bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match usize::try_from(self.varint()?) {
            Ok(len) => self.take(len).map(Some),
            Err(_) => Some(None),
        }
    }

    /// Element count of a compact array that may not be null; each element takes at least `element_bytes_min`.
    pub fn compact_count(&mut self, element_bytes_min: usize) -> Option<usize> {
        let count = self.unsigned_varint()?.checked_sub(1)? as usize;
        (count <= self.0.len() / element_bytes_min).then_some(count)
    }

    /// A compact string that may not be null.
    pub fn compact_string(&mut self) -> Option<&'a str> {
        let len = self.unsigned_varint()?.checked_sub(1)? as usize;
        std::str::from_utf8(self.take(len)?).ok()
    }

    /// Steps over a tagged-field section.
    pub fn skip_tags(&mut self) -> Option<()> {
        let count = self.unsigned_varint()?;
        for _ in 0..count {
            self.unsigned_varint()?;
            let len = self.unsigned_varint()? as usize;
            self.take(len)?;
        }
        Some(())
    }
}
