//! Owns CRC-32C (Castagnoli) and the rule which bytes of a batch it covers: attributes to the end. Offset, leader epoch and length
//! lie outside, so the broker stamps them without a new checksum.

use crate::header::{ATTRIBUTES_AT, CRC_AT, HEADER_BYTES};

/// CRC-32C of `bytes`.
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// True when the stored checksum matches `batch`, which must be exactly one batch.
#[inline]
pub fn verify_crc(batch: &[u8]) -> bool {
    batch.len() >= HEADER_BYTES && stored_crc(batch) == computed_crc(batch)
}

#[inline]
pub(crate) fn stored_crc(batch: &[u8]) -> u32 {
    u32::from_be_bytes(batch[CRC_AT..CRC_AT + 4].try_into().expect("four bytes"))
}

#[inline]
pub(crate) fn computed_crc(batch: &[u8]) -> u32 {
    crc32c(&batch[ATTRIBUTES_AT..])
}

/// Writes the checksum of `batch` as it now stands.
#[inline]
pub(crate) fn write_crc(batch: &mut [u8]) {
    let crc = computed_crc(batch);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn known_value() {
        assert_eq!(super::crc32c(b"123456789"), 0xe306_9283);
    }

    proptest! {
        #[test]
        fn equals_the_other_implementation(bytes in vec(any::<u8>(), 0..3_000), skip in 0..64usize) {
            let bytes = bytes.get(skip..).unwrap_or_default();
            prop_assert_eq!(super::crc32c(bytes), crc32c::crc32c(bytes));
        }
    }
}
