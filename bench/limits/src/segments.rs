//! Owns closed segments made without the wait for a disk: every batch is sound and full of zeros, so that a file system that knows holes stores
//! a page of each. A broker reads what it would read of any other log.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use crate::partition_load::{batch_header, record_head};

/// Of each batch, whole.
const BATCH_BYTES: usize = 1024 * 1024;

/// `directory count segmentBytes`: segments from offset 0 on, each as full as whole batches make it. Prints the offset behind the last.
pub fn write(directory: &str, count: u64, segment_bytes: u64) -> std::io::Result<()> {
    let (head, padding) = head_of(BATCH_BYTES);
    let batches = segment_bytes / BATCH_BYTES as u64;
    let mut offset = 0u64;
    for _ in 0..count {
        let path = Path::new(directory).join(format!("{offset:020}.log"));
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(path)?;
        for batch in 0..batches {
            let mut head = head.clone();
            head[..8].copy_from_slice(&offset.to_be_bytes());
            head[12..16].fill(0); // leader epoch, as the broker that took it would have stamped
            file.seek(SeekFrom::Start(batch * BATCH_BYTES as u64))?;
            file.write_all(&head)?;
            offset += 1;
        }
        assert!(head.len() + padding == BATCH_BYTES, "a batch is whole");
        file.set_len(batches * BATCH_BYTES as u64)?;
        file.sync_all()?;
    }
    println!("{{\"nextOffset\":{offset}}}");
    Ok(())
}

/// What of a batch is not zeros, and how many zeros follow.
fn head_of(bytes: usize) -> (Vec<u8>, usize) {
    // The lengths of the varints are those of any value of this size.
    let mut zeros = bytes - 128;
    loop {
        let record = record_head(zeros);
        let head = batch_header(&record, zeros + 1);
        let whole = head.len() + zeros + 1;
        if whole == bytes {
            return (head, zeros + 1);
        }
        zeros = zeros + bytes - whole;
    }
}
