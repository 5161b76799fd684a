//! Owns the bytes of a producer snapshot: what is known of each idempotent producer below the offset in the file's name. Never keeps a window.
//!
//! ```text
//! <20-digit offset>.snapshot, big-endian:
//!  0  i16 version 1
//!  2  u32 crc           CRC-32C of byte 6 to the end
//!  6  i32 entry count
//! 10  entries of 46 bytes:
//!      0 i64 producer id        8 i16 producer epoch     10 i32 last sequence    14 i64 last offset
//!     22 i32 offset delta      26 i64 timestamp          34 i32 coordinator epoch 38 i64 first offset of the open transaction, -1 for none
//! ```

use millrace_record::crc32c;

const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const CRC_END: usize = 6;
const ENTRIES_AT: usize = 10;
const ENTRY_BYTES: usize = 46;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerSnapshotEntry {
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// Sequence of the last record; -1 when only a marker was seen.
    pub last_sequence: i32,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Last offset minus first offset of the last batch.
    pub offset_delta: i32,
    pub timestamp: i64,
    pub coordinator_epoch: i32,
    /// -1 when no transaction is open.
    pub current_txn_first_offset: i64,
}

/// Producer state as of `offset`: everything below it is counted, nothing at or above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerSnapshot {
    pub offset: i64,
    pub entries: Vec<ProducerSnapshotEntry>,
}

/// The file's bytes.
pub fn encode_producer_snapshot(entries: &[ProducerSnapshotEntry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRIES_AT + entries.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(
        &i32::try_from(entries.len())
            .expect("producers are bounded far below 2^31")
            .to_be_bytes(),
    );
    for entry in entries {
        bytes.extend_from_slice(&entry.producer_id.to_be_bytes());
        bytes.extend_from_slice(&entry.producer_epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.last_sequence.to_be_bytes());
        bytes.extend_from_slice(&entry.last_offset.to_be_bytes());
        bytes.extend_from_slice(&entry.offset_delta.to_be_bytes());
        bytes.extend_from_slice(&entry.timestamp.to_be_bytes());
        bytes.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.current_txn_first_offset.to_be_bytes());
    }
    let crc = crc32c(&bytes[CRC_END..]);
    bytes[CRC_AT..CRC_END].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// None when the bytes are not a whole, sound snapshot: an older one is used, or the log is scanned.
pub fn parse_producer_snapshot(bytes: &[u8]) -> Option<Vec<ProducerSnapshotEntry>> {
    let header = bytes.first_chunk::<ENTRIES_AT>()?;
    let version = i16::from_be_bytes([header[0], header[1]]);
    let stored_crc = u32::from_be_bytes([header[2], header[3], header[4], header[5]]);
    if version != VERSION || stored_crc != crc32c(&bytes[CRC_END..]) {
        return None;
    }
    let count = usize::try_from(i32::from_be_bytes([
        header[6], header[7], header[8], header[9],
    ]))
    .ok()?;
    let entries = &bytes[ENTRIES_AT..];
    // Counted against what is there before anything is reserved for it.
    if !entries.len().is_multiple_of(ENTRY_BYTES) || entries.len() / ENTRY_BYTES != count {
        return None;
    }
    Some(entries.chunks_exact(ENTRY_BYTES).map(parse_entry).collect())
}

fn parse_entry(bytes: &[u8]) -> ProducerSnapshotEntry {
    ProducerSnapshotEntry {
        producer_id: i64::from_be_bytes(field(bytes, 0)),
        producer_epoch: i16::from_be_bytes(field(bytes, 8)),
        last_sequence: i32::from_be_bytes(field(bytes, 10)),
        last_offset: i64::from_be_bytes(field(bytes, 14)),
        offset_delta: i32::from_be_bytes(field(bytes, 22)),
        timestamp: i64::from_be_bytes(field(bytes, 26)),
        coordinator_epoch: i32::from_be_bytes(field(bytes, 34)),
        current_txn_first_offset: i64::from_be_bytes(field(bytes, 38)),
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("an entry is 46 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(producer_id: i64) -> ProducerSnapshotEntry {
        ProducerSnapshotEntry {
            producer_id,
            producer_epoch: 3,
            last_sequence: 41,
            last_offset: 1_000,
            offset_delta: 9,
            timestamp: 1_700_000_000_000,
            coordinator_epoch: -1,
            current_txn_first_offset: -1,
        }
    }

    #[test]
    fn layout_is_kafkas() {
        let bytes = encode_producer_snapshot(&[entry(7)]);
        assert_eq!(bytes.len(), 56);
        assert_eq!(bytes[..2], [0, 1]);
        assert_eq!(bytes[6..10], [0, 0, 0, 1]);
        assert_eq!(bytes[10..18], 7_i64.to_be_bytes());
        assert_eq!(bytes[18..20], 3_i16.to_be_bytes());
        assert_eq!(bytes[20..24], 41_i32.to_be_bytes());
        assert_eq!(bytes[24..32], 1_000_i64.to_be_bytes());
        assert_eq!(bytes[32..36], 9_i32.to_be_bytes());
        assert_eq!(bytes[36..44], 1_700_000_000_000_i64.to_be_bytes());
        assert_eq!(bytes[44..48], (-1_i32).to_be_bytes());
        assert_eq!(bytes[48..56], (-1_i64).to_be_bytes());
        assert_eq!(bytes[2..6], crc32c(&bytes[6..]).to_be_bytes());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let entries = [entry(1), entry(2), entry(i64::MAX)];
        let bytes = encode_producer_snapshot(&entries);
        assert_eq!(
            parse_producer_snapshot(&bytes).as_deref(),
            Some(&entries[..])
        );
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse_producer_snapshot(&damaged), None, "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(parse_producer_snapshot(&bytes[..len]), None);
        }
    }
}
