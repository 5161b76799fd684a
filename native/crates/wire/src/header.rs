//! Owns request and response headers. Never knows which header version an API has at which version: the caller says (the table of
//! APIs is the control plane's; the three hot ones know their own).
//!
//! ```text
//! request v1:  i16 api key, i16 api version, i32 correlation id, nullable string client id (i16 length)
//! request v2:  the same, the client id still with an i16 length, then tagged fields
//! response v0: i32 correlation id            response v1: i32 correlation id, tagged fields
//! ```

use crate::error::WireError;
use crate::primitive::Reader;

/// The part every request shares, whatever its version: enough to route it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestPrefix {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
}

impl RequestPrefix {
    /// Reads the first eight bytes of a frame.
    #[inline]
    pub fn parse(frame: &[u8]) -> Result<RequestPrefix, WireError> {
        let mut reader = Reader::new(frame, 0, false);
        Ok(RequestPrefix {
            api_key: reader.i16()?,
            api_version: reader.i16()?,
            correlation_id: reader.i32()?,
        })
    }
}

/// A request header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    /// Null stays None; Kafka treats it as empty. Not checked for UTF-8: a client with an odd name is still a client.
    pub client_id: Option<&'a [u8]>,
    /// Where the body begins in the frame.
    pub body_at: usize,
}

impl<'a> RequestHeader<'a> {
    /// Reads the header of a frame; `flexible` is header version 2. Tagged fields are stepped over.
    #[inline]
    pub fn parse(frame: &'a [u8], flexible: bool) -> Result<RequestHeader<'a>, WireError> {
        let RequestPrefix {
            api_key,
            api_version,
            correlation_id,
        } = RequestPrefix::parse(frame)?;
        let mut reader = Reader::new(frame, 8, flexible);
        let client_id = reader.header_client_id()?;
        reader.skip_tagged_fields()?;
        Ok(RequestHeader {
            api_key,
            api_version,
            correlation_id,
            client_id,
            body_at: reader.position(),
        })
    }
}

/// Writes a response header; `flexible` is header version 1 (never for ApiVersions).
#[inline]
pub fn write_response_header(out: &mut Vec<u8>, correlation_id: i32, flexible: bool) {
    out.extend_from_slice(&correlation_id.to_be_bytes());
    if flexible {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(client_id: Option<&[u8]>, tags: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, 3, 0, 12, 0, 0, 0, 42];
        match client_id {
            Some(id) => {
                frame.extend_from_slice(&(id.len() as i16).to_be_bytes());
                frame.extend_from_slice(id);
            }
            None => frame.extend_from_slice(&(-1i16).to_be_bytes()),
        }
        frame.extend_from_slice(tags);
        frame
    }

    #[test]
    fn flexible_header_keeps_the_old_client_id_and_skips_unknown_tags() {
        let frame = frame(Some(b"me"), &[2, 1, 3, 9, 9, 9, 7, 0, 0xaa]);
        let header = RequestHeader::parse(&frame, true).unwrap();
        assert_eq!(
            (header.api_key, header.api_version, header.correlation_id),
            (3, 12, 42)
        );
        assert_eq!(header.client_id, Some(&b"me"[..]));
        assert_eq!(frame[header.body_at..], [0xaa]);
    }

    #[test]
    fn null_client_id_is_none() {
        let frame = frame(None, &[]);
        assert_eq!(RequestHeader::parse(&frame, false).unwrap().client_id, None);
    }

    #[test]
    fn lengths_and_tags_are_bounded_by_the_frame() {
        let mut long = frame(Some(b"me"), &[0]);
        long[8..10].copy_from_slice(&300i16.to_be_bytes());
        assert!(matches!(
            RequestHeader::parse(&long, true),
            Err(WireError::Truncated { .. })
        ));
        long[8..10].copy_from_slice(&(-2i16).to_be_bytes());
        assert_eq!(
            RequestHeader::parse(&long, true),
            Err(WireError::NegativeLength { length: -2 })
        );
        let many = frame(None, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
        assert!(matches!(
            RequestHeader::parse(&many, true),
            Err(WireError::Truncated { .. })
        ));
    }

    #[test]
    fn every_cut_of_a_header_is_an_error_not_a_panic() {
        let whole = frame(Some(b"client"), &[1, 0, 2, 1, 2]);
        for len in 0..whole.len() {
            assert!(
                RequestHeader::parse(&whole[..len], true).is_err(),
                "cut at {len}"
            );
        }
    }
}
