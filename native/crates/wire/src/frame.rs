//! Owns the four bytes in front of every message. Never reads what is inside.
//!
//! ```text
//! 0 i32 size of what follows
//! 4 header, body
//! ```

use crate::error::WireError;

/// Bytes of the size field.
pub const SIZE_BYTES: usize = 4;
/// API key, API version, correlation id: what even an unknown request must hold to be recognised.
pub const REQUEST_BYTES_MIN: usize = 8;

/// Reads and checks the size field: the bytes of the frame behind it.
#[inline]
pub fn request_bytes(size: [u8; SIZE_BYTES], limit_bytes: usize) -> Result<usize, WireError> {
    let size = i32::from_be_bytes(size);
    let Ok(bytes) = usize::try_from(size) else {
        return Err(WireError::FrameSizeNegative { size });
    };
    if bytes < REQUEST_BYTES_MIN {
        return Err(WireError::FrameTooShort { size });
    }
    if bytes > limit_bytes {
        return Err(WireError::FrameTooLarge { size, limit_bytes });
    }
    Ok(bytes)
}

/// The first whole frame of a receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The size field has not arrived.
    NeedSize,
    /// So many more bytes make the frame whole.
    NeedBytes(usize),
    /// The frame is `buffer[SIZE_BYTES .. SIZE_BYTES + bytes]`.
    Whole { bytes: usize },
}

/// Looks at the front of a receive buffer. The limit applies as soon as the size is known, before anything is buffered for it.
#[inline]
pub fn first_frame(buffer: &[u8], limit_bytes: usize) -> Result<Framing, WireError> {
    let Some(size) = buffer.first_chunk::<SIZE_BYTES>() else {
        return Ok(Framing::NeedSize);
    };
    let bytes = request_bytes(*size, limit_bytes)?;
    let present = buffer.len() - SIZE_BYTES;
    Ok(if present < bytes {
        Framing::NeedBytes(bytes - present)
    } else {
        Framing::Whole { bytes }
    })
}

/// Leaves room for the size of a response; returns where.
#[inline]
pub fn begin_response(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; SIZE_BYTES]);
    at
}

/// Writes the size: everything behind the field, and `bytes_elsewhere` that are sent from a file.
#[inline]
pub fn end_response(out: &mut [u8], at: usize, bytes_elsewhere: usize) {
    let size = i32::try_from(out.len() - at - SIZE_BYTES + bytes_elsewhere)
        .expect("a response is smaller than 2 GiB");
    out[at..at + SIZE_BYTES].copy_from_slice(&size.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_sizes_are_told_apart() {
        assert_eq!(
            request_bytes((-1i32).to_be_bytes(), 100),
            Err(WireError::FrameSizeNegative { size: -1 })
        );
        assert_eq!(
            request_bytes(7i32.to_be_bytes(), 100),
            Err(WireError::FrameTooShort { size: 7 })
        );
        assert_eq!(
            request_bytes(0i32.to_be_bytes(), 100),
            Err(WireError::FrameTooShort { size: 0 })
        );
        assert_eq!(
            request_bytes(101i32.to_be_bytes(), 100),
            Err(WireError::FrameTooLarge {
                size: 101,
                limit_bytes: 100
            })
        );
        assert_eq!(request_bytes(100i32.to_be_bytes(), 100), Ok(100));
    }

    #[test]
    fn a_frame_that_trickles_in_is_whole_at_its_last_byte() {
        let mut buffer = 10i32.to_be_bytes().to_vec();
        buffer.extend_from_slice(&[7; 12]);
        for len in 0..buffer.len() {
            let expected = match len {
                0..4 => Framing::NeedSize,
                4..14 => Framing::NeedBytes(14 - len),
                _ => Framing::Whole { bytes: 10 },
            };
            assert_eq!(first_frame(&buffer[..len], 100), Ok(expected));
        }
    }

    #[test]
    fn response_size_counts_bytes_sent_from_files() {
        let mut out = vec![9; 3];
        let at = begin_response(&mut out);
        out.extend_from_slice(&[1, 2, 3, 4, 5]);
        end_response(&mut out, at, 1_000);
        assert_eq!(out[3..7], 1_005i32.to_be_bytes());
    }
}
