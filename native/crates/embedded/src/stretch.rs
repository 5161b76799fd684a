//! Owns a stretch of the log as a reader gets it: whole batches in memory, mapped or copied, with a table to find them by offset.
//! Invariant: every batch in it has been checked, header and checksum, and the offsets ascend.

use std::ops::Deref;

use millrace_host::disk::DiskFile;
use millrace_host::disk::mappable::{MappableDisk, Mapping};
use millrace_log::ReadSlice;
use millrace_record::{BatchHeader, verify_crc};

use crate::error::StoreError;

/// Batches closer to the last table entry than this get none of their own: their headers are walked.
const ENTRY_BYTES_MIN: usize = 1024;
/// Stretches smaller than this are copied: that is cheaper than a map.
pub(crate) const MAP_BYTES_MIN: u32 = 64 * 1024;

pub enum StretchBytes {
    Mapped(Mapping),
    Copied(Vec<u8>),
}

impl Deref for StretchBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            StretchBytes::Mapped(map) => map,
            StretchBytes::Copied(bytes) => bytes,
        }
    }
}

pub struct Stretch {
    pub bytes: StretchBytes,
    /// Base offset and position of batches, ascending; always the first batch.
    pub table: Vec<(i64, u32)>,
    pub base_offset: i64,
    /// The offset behind the last batch.
    pub end_offset: i64,
}

impl Stretch {
    /// Takes the range into memory and checks it.
    pub(crate) fn of(
        slice: &ReadSlice<MappableDisk>,
        may_map: bool,
        verify: bool,
    ) -> Result<Stretch, StoreError> {
        let bytes = if may_map && slice.bytes >= MAP_BYTES_MIN {
            slice
                .file
                .map(slice.position, slice.bytes as usize)
                .map(StretchBytes::Mapped)
        } else {
            let mut copy = vec![0; slice.bytes as usize];
            slice
                .file
                .read_exact_at(&mut copy, slice.position)
                .map(|()| StretchBytes::Copied(copy))
        };
        let bytes = bytes
            .map_err(|error| StoreError::new("IO", format!("cannot read the log: {error}")))?;
        Stretch::check(bytes, verify)
    }

    pub(crate) fn check(bytes: StretchBytes, verify: bool) -> Result<Stretch, StoreError> {
        let mut table: Vec<(i64, u32)> = Vec::new();
        let mut position = 0;
        let mut end_offset = i64::MIN;
        while position < bytes.len() {
            let header = BatchHeader::parse(&bytes[position..])
                .map_err(|error| damaged(position, &error.to_string()))?;
            let end = position + header.size_bytes();
            if end > bytes.len() || header.base_offset < end_offset || header.last_offset_delta < 0
            {
                return Err(damaged(position, "it does not fit its surroundings"));
            }
            if verify && !verify_crc(&bytes[position..end]) {
                return Err(damaged(position, "its checksum is wrong"));
            }
            let is_far = table
                .last()
                .is_none_or(|&(_, last)| position - last as usize >= ENTRY_BYTES_MIN);
            if is_far {
                let at = u32::try_from(position).expect("a stretch is smaller than a segment");
                table.push((header.base_offset, at));
            }
            end_offset = header.next_offset();
            position = end;
        }
        let &(base_offset, _) = table.first().ok_or_else(|| damaged(0, "there is none"))?;
        Ok(Stretch {
            bytes,
            table,
            base_offset,
            end_offset,
        })
    }
}

fn damaged(position: usize, reason: &str) -> StoreError {
    StoreError::new(
        "CORRUPT",
        format!("the batch at byte {position} of what was read is damaged: {reason}"),
    )
}
