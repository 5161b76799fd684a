//! Owns writing primitives. Invariant: what a writer wrote, a reader of the same flavour reads back.

use super::Uuid;

/// Appends primitives to a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    flexible: bool,
}

impl<'a> Writer<'a> {
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, flexible: bool) -> Writer<'a> {
        Writer { out, flexible }
    }

    /// Bytes in the buffer so far, with what was there before.
    #[inline]
    pub fn position(&self) -> usize {
        self.out.len()
    }

    #[inline]
    pub fn is_flexible(&self) -> bool {
        self.flexible
    }

    /// The buffer, for what is not a primitive.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    #[inline]
    pub fn i8(&mut self, value: i8) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn boolean(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    #[inline]
    pub fn i16(&mut self, value: i16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    pub fn uuid(&mut self, value: &Uuid) {
        self.out.extend_from_slice(value);
    }

    #[inline]
    pub fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    #[inline]
    pub fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    #[inline]
    pub fn nullable_string(&mut self, value: Option<&str>) {
        match value {
            None if self.flexible => self.unsigned_varint(0),
            None => self.i16(-1),
            Some(text) => {
                if self.flexible {
                    self.compact_len(text.len());
                } else {
                    self.i16(
                        i16::try_from(text.len()).expect("a classic string is shorter than 32 KiB"),
                    );
                }
                self.out.extend_from_slice(text.as_bytes());
            }
        }
    }

    #[inline]
    pub fn nullable_bytes(&mut self, value: Option<&[u8]>) {
        self.nullable_len(value.map(<[u8]>::len));
        if let Some(bytes) = value {
            self.out.extend_from_slice(bytes);
        }
    }

    /// The length in front of bytes that come from elsewhere (records from a file).
    #[inline]
    pub fn nullable_len(&mut self, len: Option<usize>) {
        match len {
            None if self.flexible => self.unsigned_varint(0),
            None => self.i32(-1),
            Some(len) if self.flexible => self.compact_len(len),
            Some(len) => self.i32(i32::try_from(len).expect("a field is smaller than 2 GiB")),
        }
    }

    #[inline]
    pub fn array_count(&mut self, count: usize) {
        self.nullable_len(Some(count));
    }

    #[inline]
    pub fn nullable_array_count(&mut self, count: Option<usize>) {
        self.nullable_len(count);
    }

    /// Ends a struct without tagged fields.
    #[inline]
    pub fn no_tagged_fields(&mut self) {
        if self.flexible {
            self.out.push(0);
        }
    }

    /// Writes how many tagged fields follow.
    #[inline]
    pub fn tagged_field_count(&mut self, count: u32) {
        assert!(self.flexible, "only flexible messages have tagged fields");
        self.unsigned_varint(count);
    }

    /// Writes one tagged field. `content_bytes` is what `content` will write.
    #[inline]
    pub fn tagged_field(
        &mut self,
        tag: u32,
        content_bytes: usize,
        content: impl FnOnce(&mut Writer<'_>),
    ) {
        self.unsigned_varint(tag);
        self.unsigned_varint(u32::try_from(content_bytes).expect("a tagged field is small"));
        let start = self.out.len();
        content(&mut Writer {
            out: self.out,
            flexible: true,
        });
        assert_eq!(
            self.out.len() - start,
            content_bytes,
            "a tagged field is as long as its size says"
        );
    }

    /// Compact lengths count one more, so that 0 means null.
    #[inline]
    fn compact_len(&mut self, len: usize) {
        self.unsigned_varint(u32::try_from(len + 1).expect("a field is smaller than 4 GiB"));
    }
}

/// Bytes of an unsigned varint.
#[inline]
pub(crate) fn unsigned_varint_bytes(value: u32) -> usize {
    (32 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Bytes of a compact nullable string.
#[inline]
pub(crate) fn compact_string_bytes(value: Option<&str>) -> usize {
    value.map_or(1, |text| {
        unsigned_varint_bytes(text.len() as u32 + 1) + text.len()
    })
}
