//! Owns randomness: the kernel's generator. Never called by a pure crate.

use rustix::rand::{GetRandomFlags, getrandom};

/// Fills `bytes` from the kernel's generator.
pub fn fill(mut bytes: &mut [u8]) {
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(filled) => bytes = &mut bytes[filled..],
            Err(rustix::io::Errno::INTR) => {}
            // getrandom without flags fails only for EINTR, EFAULT and ENOSYS; the last two are ours or the machine's to fix.
            Err(error) => panic!("getrandom failed: {error}"),
        }
    }
}

pub fn u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A random (version 4) UUID as Kafka makes them: never one of the reserved ids, and its base64url text never starts with '-'
/// (it would read as a command-line option).
pub fn uuid() -> [u8; 16] {
    loop {
        let mut bytes = [0; 16];
        fill(&mut bytes);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        // The first base64 character is the top six bits; '-' is 62.
        if bytes[0] >> 2 != 62 {
            return bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_version_4_and_do_not_start_with_a_dash() {
        for _ in 0..1_000 {
            let id = uuid();
            assert_eq!(id[6] >> 4, 4);
            assert_eq!(id[8] >> 6, 2);
            assert_ne!(id[0] >> 2, 62);
        }
        assert_ne!(uuid(), uuid());
        assert_ne!(u64(), u64());
    }
}
