//! What the tests of this crate share: batches, small settings, and a log over a memory disk.

use std::path::Path;

use millrace_host::disk::memory::MemoryDisk;
use millrace_host::disk::{Disk, DiskFile, OpenMode};
use millrace_record::control::end_transaction_batch;
use millrace_record::{BatchBuilder, BatchHeader, BatchIter};

use crate::{Log, LogConfig, OpenHints};

pub(crate) const DIR: &str = "/data/topic-0";

pub(crate) fn small_config() -> LogConfig {
    LogConfig {
        segment_bytes: 4_000,
        index_interval_bytes: 300,
        segment_index_bytes: 1_000,
        ..LogConfig::default()
    }
}

/// A batch of one record per timestamp, each with a value of `value_bytes` bytes.
pub(crate) fn batch(timestamps: &[i64], value_bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    let value = vec![b'v'; value_bytes];
    for &timestamp in timestamps {
        builder.append(timestamp, None, Some(&value), &[]);
    }
    builder.build()
}

/// A batch of `records` records of a producer, in a transaction or not.
pub(crate) fn producer_batch(
    producer_id: i64,
    base_sequence: i32,
    records: usize,
    is_transactional: bool,
) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.producer(producer_id, 0, base_sequence);
    if is_transactional {
        builder.transactional();
    }
    for _ in 0..records {
        builder.append(1_000, None, Some(&[b'v'; 100]), &[]);
    }
    builder.build()
}

/// The marker that ends a producer's transaction.
pub(crate) fn marker(producer_id: i64, is_commit: bool) -> Vec<u8> {
    end_transaction_batch(producer_id, 0, is_commit, 3, 1_000)
}

pub(crate) fn memory_disk() -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.create_dir_all(Path::new("/data")).expect("create");
    disk.sync_dir(Path::new("/")).expect("sync");
    disk
}

pub(crate) fn open<D: Disk>(disk: &D, config: LogConfig) -> Log<D> {
    open_with(disk, config, OpenHints::default())
}

pub(crate) fn open_with<D: Disk>(disk: &D, config: LogConfig, hints: OpenHints) -> Log<D> {
    Log::open(disk.clone(), Path::new(DIR), config, hints, 0).expect("open")
}

pub(crate) fn clean_hints() -> OpenHints {
    OpenHints {
        clean_shutdown: true,
        ..OpenHints::default()
    }
}

/// Appends one batch and returns its base offset.
pub(crate) fn append_one<D: Disk>(log: &mut Log<D>, mut batch: Vec<u8>) -> i64 {
    log.append(&mut [&mut batch], 0, 0)
        .expect("append")
        .base_offset
}

/// Appends `count` batches of one record with timestamps 0, 10, 20, ... continuing from the log end offset.
pub(crate) fn fill<D: Disk>(log: &mut Log<D>, count: usize, value_bytes: usize) {
    for _ in 0..count {
        let timestamp = log.log_end_offset() * 10;
        append_one(log, batch(&[timestamp], value_bytes));
    }
}

/// Every batch from the log start to the log end, through `read`.
pub(crate) fn read_all<D: Disk>(log: &mut Log<D>) -> Vec<Vec<u8>> {
    let mut batches = Vec::new();
    let mut offset = log.log_start_offset();
    while offset < log.log_end_offset() {
        let slice = log
            .read(offset, 1_000, i64::MAX, true)
            .expect("read")
            .expect("something to read");
        let bytes = slice.to_vec().expect("read");
        for item in BatchIter::new(&bytes) {
            batches.push(item.expect("whole batches").1.to_vec());
        }
        assert!(slice.next_offset_hint > offset);
        offset = slice.next_offset_hint;
    }
    batches
}

pub(crate) fn headers(bytes: &[u8]) -> Vec<BatchHeader> {
    BatchIter::new(bytes)
        .map(|item| item.expect("whole batches").0)
        .collect()
}

pub(crate) fn file_path(name: &str) -> std::path::PathBuf {
    Path::new(DIR).join(name)
}

pub(crate) fn read_file<D: Disk>(disk: &D, name: &str) -> Vec<u8> {
    disk.read_file(&file_path(name)).expect("read")
}

pub(crate) fn write_file<D: Disk>(disk: &D, name: &str, bytes: &[u8]) {
    let file = disk
        .open(&file_path(name), OpenMode::Truncate)
        .expect("open");
    file.write_all_at(bytes, 0).expect("write");
}

pub(crate) fn file_names<D: Disk>(disk: &D) -> Vec<String> {
    let mut names: Vec<String> = disk
        .list(Path::new(DIR))
        .expect("list")
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    names.sort_unstable();
    names
}
