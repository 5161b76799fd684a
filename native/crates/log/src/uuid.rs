//! Owns Kafka's UUID text: 22 characters of URL-safe base64 without padding.

use std::fmt;
use std::str::FromStr;

const TEXT_CHARS: usize = 22;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    pub const ZERO: Uuid = Uuid([0; 16]);
}

/// The text is not 22 characters of URL-safe base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAUuid;

impl fmt::Display for NotAUuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a 22-character base64url uuid")
    }
}

impl std::error::Error for NotAUuid {}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 128 bits and four zero bits make 22 groups of six.
        let bits = u128::from_be_bytes(self.0);
        for index in 0..TEXT_CHARS {
            let shift = 122_i32 - 6 * index as i32;
            let group = if shift >= 0 {
                bits >> shift
            } else {
                bits << -shift
            };
            let character = ALPHABET[(group & 0x3f) as usize];
            write!(formatter, "{}", char::from(character))?;
        }
        Ok(())
    }
}

impl FromStr for Uuid {
    type Err = NotAUuid;

    fn from_str(text: &str) -> Result<Uuid, NotAUuid> {
        // Kafka's Java decoder also takes padding; nothing it writes has any.
        let text = text.trim_end_matches('=');
        if text.len() != TEXT_CHARS {
            return Err(NotAUuid);
        }
        let mut bits: u128 = 0;
        for (index, byte) in text.bytes().enumerate() {
            let group = ALPHABET
                .iter()
                .position(|&known| known == byte)
                .ok_or(NotAUuid)? as u128;
            bits = if index + 1 < TEXT_CHARS {
                bits << 6 | group
            } else {
                // The last character carries two bits; the other four are padding.
                bits << 2 | group >> 4
            };
        }
        Ok(Uuid(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_ids_have_their_text() {
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        let mut metadata_topic = [0; 16];
        metadata_topic[15] = 1;
        assert_eq!(Uuid(metadata_topic).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(Uuid([0xff; 16]).to_string(), "_____________________w");
    }

    #[test]
    fn text_round_trips() {
        let mut bytes = [0_u8; 16];
        for seed in 0..=255_u8 {
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = seed
                    .wrapping_mul(31)
                    .wrapping_add(index as u8)
                    .wrapping_mul(97);
            }
            assert_eq!(Uuid(bytes).to_string().parse(), Ok(Uuid(bytes)));
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAA+",
            "AAAAAAAAAAAAAAAAAAAAAAA",
            "äAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(text.parse::<Uuid>(), Err(NotAUuid), "{text}");
        }
    }
}
