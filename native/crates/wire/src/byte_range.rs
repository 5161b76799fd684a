//! Owns a place in a frame: offset and length instead of a borrow, so that the frame can be written to (stamping) or moved while a
//! request is in flight.

/// Bytes `start .. start + len` of the frame a request was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteRange {
    pub start: u32,
    pub len: u32,
}

impl ByteRange {
    #[inline]
    pub fn end(&self) -> usize {
        self.start as usize + self.len as usize
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub fn of<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        &frame[self.start as usize..self.end()]
    }

    #[inline]
    pub fn of_mut<'a>(&self, frame: &'a mut [u8]) -> &'a mut [u8] {
        &mut frame[self.start as usize..self.end()]
    }
}
