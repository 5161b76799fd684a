//! Owns the targets of the log crate. What every answer must hold: no bytes on disk make opening panic, what recovery keeps is whole
//! batches that a second opening keeps too, and no index changes which batch a read returns.

use std::path::Path;

use millrace_host::disk::memory::MemoryDisk;
use millrace_host::disk::{Disk, DiskFile, OpenMode};
use millrace_log::{
    CleanShutdown, LeaderEpochs, Log, LogConfig, MetaProperties, OpenHints, PartitionMetadata,
    encode_producer_snapshot, parse_offset_checkpoint, parse_producer_snapshot,
};
use millrace_record::{BatchBuilder, BatchIter, crc32c, validate_stored};

const DIR: &str = "/data/topic-0";
const LOG: &str = "00000000000000000000.log";
const INDEX: &str = "00000000000000000000.index";
const TIME_INDEX: &str = "00000000000000000000.timeindex";
/// Batches of the log whose indexes are fuzzed.
const INDEXED_BATCHES: i64 = 40;
const SNAPSHOT_CRC_AT: usize = 2;
const SNAPSHOT_CRC_END: usize = 6;

fn config() -> LogConfig {
    LogConfig {
        index_interval_bytes: 200,
        ..LogConfig::default()
    }
}

fn hints(clean_shutdown: bool, recovery_point: i64) -> OpenHints {
    OpenHints {
        clean_shutdown,
        recovery_point,
        ..OpenHints::default()
    }
}

fn disk_with(files: &[(&str, &[u8])]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.create_dir_all(Path::new(DIR)).expect("create");
    for (name, bytes) in files {
        let file = disk
            .open(&Path::new(DIR).join(name), OpenMode::Create)
            .expect("open");
        file.write_all_at(bytes, 0).expect("write");
    }
    disk
}

/// The batches of the log, through `read`. An error ends it: bytes that were trusted may be damaged.
fn read_all(log: &mut Log<MemoryDisk>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut offset = log.log_start_offset();
    while offset < log.log_end_offset() {
        let Ok(Some(slice)) = log.read(offset, 500, i64::MAX, true) else {
            break;
        };
        bytes.extend(slice.to_vec().expect("a range lies in its file"));
        assert!(slice.next_offset_hint > offset, "every read gets on");
        offset = slice.next_offset_hint;
    }
    bytes
}

/// A segment of any bytes after an unclean stop.
pub fn segment_recovery(data: &[u8]) {
    let disk = disk_with(&[(LOG, data)]);
    let Ok(mut log) = Log::open(disk.clone(), Path::new(DIR), config(), hints(false, 0), 0) else {
        // Only a sound message of an old format is refused.
        assert!(data.get(16).is_some_and(|&magic| magic < 2));
        return;
    };
    let kept = read_all(&mut log);
    assert!(data.starts_with(&kept), "recovery keeps a prefix");
    for item in BatchIter::new(&kept) {
        let (_, batch) = item.expect("recovery keeps whole batches");
        assert!(validate_stored(batch).is_ok());
    }
    let end_offset = log.log_end_offset();
    let mut next = batch(0);
    let appended = log.append(&mut [&mut next], 0, 0).expect("the log goes on");
    assert_eq!(appended.base_offset, end_offset);
    drop(log);
    let mut again = Log::open(disk, Path::new(DIR), config(), hints(false, 0), 0).expect("open");
    assert_eq!(again.log_end_offset(), end_offset + 1);
    assert_eq!(read_all(&mut again), [kept, next].concat());
}

/// A segment of any bytes that a clean shutdown vouches for.
pub fn segment_after_clean_shutdown(data: &[u8]) {
    for recovery_point in [0, 3, i64::MAX] {
        let disk = disk_with(&[(LOG, data)]);
        let hints = hints(true, recovery_point);
        if let Ok(mut log) = Log::open(disk, Path::new(DIR), config(), hints, 0) {
            read_all(&mut log);
            let _ = log.offset_for_timestamp(1_000);
            let _ = log.offset_of_max_timestamp();
            let _ = log.leader_epoch_end_offset(0);
            let _ = log.append(&mut [&mut batch(0)], 1, 0);
            let _ = log.truncate(2, 0);
            let _ = log.close(true);
        }
    }
}

/// Indexes of any bytes beside a sound segment: the first half of the input is the offset index, the rest the time index.
pub fn index_files(data: &[u8]) {
    let batches: Vec<Vec<u8>> = (0..INDEXED_BATCHES).map(batch).collect();
    let (index, time_index) = data.split_at(data.len() / 2);
    for hints in [hints(true, 0), hints(false, 0), hints(false, 17)] {
        let files = [
            (LOG, batches.concat()),
            (INDEX, index.to_vec()),
            (TIME_INDEX, time_index.to_vec()),
        ];
        let disk = disk_with(&files.each_ref().map(|(name, bytes)| (*name, &bytes[..])));
        let mut log = Log::open(disk, Path::new(DIR), config(), hints, 0).expect("open");
        assert_eq!(log.log_end_offset(), INDEXED_BATCHES);
        for offset in [5, 0, 39, 20, 21] {
            let slice = log.read(offset, 1, i64::MAX, true).expect("read");
            let bytes = slice.expect("data").to_vec().expect("read");
            assert_eq!(bytes, batches[offset as usize]);
        }
        let _ = log.offset_for_timestamp(150).expect("lookup");
        let _ = log.offset_of_max_timestamp().expect("lookup");
        log.truncate(30, 0).expect("truncate");
        log.append(&mut [&mut batch(0)], 0, 0).expect("append");
        log.roll(0).expect("roll");
        log.close(true).expect("close");
    }
}

/// A batch of one record at `offset`, ten milliseconds after the one before.
pub fn batch(offset: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder
        .base_offset(offset)
        .append(offset * 10, None, Some(&[7; 60]), &[]);
    builder.build()
}

/// The text files of a partition and of a log directory.
pub fn checkpoints(data: &[u8]) {
    if let Some(epochs) = LeaderEpochs::parse(data) {
        assert_eq!(
            LeaderEpochs::parse(epochs.to_text().as_bytes()),
            Some(epochs)
        );
    }
    if let Some(metadata) = PartitionMetadata::parse(data) {
        assert_eq!(
            PartitionMetadata::parse(metadata.to_text().as_bytes()),
            Some(metadata)
        );
    }
    if let Ok(properties) = MetaProperties::parse(data) {
        let _ = MetaProperties::parse(properties.to_text().as_bytes());
    }
    if let Some(rows) = parse_offset_checkpoint(data) {
        assert!(rows.iter().all(|row| row.partition >= 0 && row.offset >= 0));
    }
    let shutdown = CleanShutdown::parse(data);
    assert_eq!(
        CleanShutdown::parse(shutdown.to_text().as_bytes()),
        shutdown
    );
}

/// A producer snapshot: as it is, and with its checksum made right, which no search would find.
pub fn producer_snapshot(data: &[u8]) {
    check_snapshot(data);
    if data.len() >= SNAPSHOT_CRC_END {
        let mut bytes = data.to_vec();
        let crc = crc32c(&bytes[SNAPSHOT_CRC_END..]);
        bytes[SNAPSHOT_CRC_AT..SNAPSHOT_CRC_END].copy_from_slice(&crc.to_be_bytes());
        check_snapshot(&bytes);
    }
}

fn check_snapshot(data: &[u8]) {
    if let Some(entries) = parse_producer_snapshot(data) {
        assert_eq!(encode_producer_snapshot(&entries), data);
    }
}
