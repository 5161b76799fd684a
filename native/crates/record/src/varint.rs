//! Owns variable-length integers: seven bits a byte, lowest first, high bit = more follows. Records use zigzag (signed) ones,
//! flexible messages unsigned ones. Invariant: never reads more than 5 bytes for 32 bits or 10 for 64.
//!
//! Like Java's reader, bits beyond the width are dropped and longer forms than needed are accepted.

pub const VARINT_BYTES_MAX: usize = 5;
pub const VARLONG_BYTES_MAX: usize = 10;

/// The bytes end inside the integer, or it does not end within its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VarintError;

/// Reads an unsigned 32-bit integer; returns it with the bytes it took.
#[inline]
pub fn read_unsigned_varint(bytes: &[u8]) -> Result<(u32, usize), VarintError> {
    match bytes.first() {
        Some(&byte) if byte < 0x80 => Ok((u32::from(byte), 1)),
        _ => read_long_form(bytes, VARINT_BYTES_MAX).map(|(value, len)| (value as u32, len)),
    }
}

/// Reads a zigzag 32-bit integer.
#[inline]
pub fn read_varint(bytes: &[u8]) -> Result<(i32, usize), VarintError> {
    let (raw, len) = read_unsigned_varint(bytes)?;
    Ok(((raw >> 1) as i32 ^ -((raw & 1) as i32), len))
}

/// Reads a zigzag 64-bit integer.
#[inline]
pub fn read_varlong(bytes: &[u8]) -> Result<(i64, usize), VarintError> {
    let (raw, len) = match bytes.first() {
        Some(&byte) if byte < 0x80 => (u64::from(byte), 1),
        _ => read_long_form(bytes, VARLONG_BYTES_MAX)?,
    };
    Ok(((raw >> 1) as i64 ^ -((raw & 1) as i64), len))
}

fn read_long_form(bytes: &[u8], bytes_max: usize) -> Result<(u64, usize), VarintError> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(bytes_max).enumerate() {
        // The tenth byte shifts by 63: all but its lowest bit fall out, as in Java.
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((value, index + 1));
        }
    }
    Err(VarintError)
}

#[inline]
pub fn write_unsigned_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub fn write_varint(value: i32, out: &mut Vec<u8>) {
    write_unsigned_varint(((value << 1) ^ (value >> 31)) as u32, out);
}

#[inline]
pub fn write_varlong(value: i64, out: &mut Vec<u8>) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes an unsigned integer takes.
#[inline]
pub fn unsigned_varint_bytes(value: u32) -> usize {
    varlong_bytes_of(u64::from(value))
}

/// Bytes a zigzag 32-bit integer takes.
#[inline]
pub fn varint_bytes(value: i32) -> usize {
    unsigned_varint_bytes(((value << 1) ^ (value >> 31)) as u32)
}

/// Bytes a zigzag 64-bit integer takes.
#[inline]
pub fn varlong_bytes(value: i64) -> usize {
    varlong_bytes_of(((value << 1) ^ (value >> 63)) as u64)
}

#[inline]
fn varlong_bytes_of(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_forms() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (-65, &[0x81, 0x01]),
            (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Vec::new();
            write_varint(value, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(read_varint(bytes), Ok((value, bytes.len())));
        }
    }

    #[test]
    fn too_long_or_cut_is_an_error() {
        assert_eq!(read_unsigned_varint(&[]), Err(VarintError));
        assert_eq!(read_unsigned_varint(&[0x80]), Err(VarintError));
        assert_eq!(read_unsigned_varint(&[0x80; 5]), Err(VarintError));
        assert_eq!(
            read_unsigned_varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]),
            Err(VarintError)
        );
        assert_eq!(read_varlong(&[0xff; 10]), Err(VarintError));
        assert_eq!(
            read_unsigned_varint(&[0xff, 0xff, 0xff, 0xff, 0x7f]),
            Ok((u32::MAX, 5))
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(a: i32, b: i64, c: u32) {
            let mut out = Vec::new();
            write_varint(a, &mut out);
            prop_assert_eq!(read_varint(&out), Ok((a, out.len())));
            prop_assert_eq!(varint_bytes(a), out.len());
            out.clear();
            write_varlong(b, &mut out);
            prop_assert_eq!(read_varlong(&out), Ok((b, out.len())));
            prop_assert_eq!(varlong_bytes(b), out.len());
            out.clear();
            write_unsigned_varint(c, &mut out);
            prop_assert_eq!(read_unsigned_varint(&out), Ok((c, out.len())));
            prop_assert_eq!(unsigned_varint_bytes(c), out.len());
        }
    }
}
