use millrace_host::disk::faulty::FaultyDisk;

use crate::LogConfig;
use crate::error::ReadError;
use crate::test_log::{
    append_one, batch, clean_hints, fill, headers, memory_disk, open, open_with, read_all,
    small_config,
};

#[test]
fn a_read_begins_with_the_batch_that_holds_the_offset() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    for _ in 0..20 {
        append_one(&mut log, batch(&[1, 2, 3], 50));
    }
    for offset in 0..60 {
        let slice = log
            .read(offset, 1, i64::MAX, true)
            .expect("read")
            .expect("a batch");
        let found = headers(&slice.to_vec().expect("read"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].base_offset, offset / 3 * 3);
        assert_eq!(slice.next_offset_hint, offset / 3 * 3 + 3);
    }
}

#[test]
fn ranges_are_whole_batches_within_size_and_upper_bound() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    for round in 0..60 {
        append_one(&mut log, batch(&[1, 2], 20 + round * 31 % 150));
    }
    for offset in 0..120 {
        for max_bytes in [0, 1, 100, 500, 1_500, 5_000] {
            for upper_bound in [
                offset,
                offset + 1,
                offset + 2,
                offset + 5,
                offset + 40,
                i64::MAX,
            ] {
                for min_one in [false, true] {
                    let Some(slice) = log
                        .read(offset, max_bytes, upper_bound, min_one)
                        .expect("read")
                    else {
                        // Nothing below the bound, or nothing small enough.
                        let first_end = offset / 2 * 2 + 2;
                        assert!(
                            first_end > upper_bound.min(120) || !min_one,
                            "{offset} {max_bytes} {upper_bound}"
                        );
                        continue;
                    };
                    let found = headers(&slice.to_vec().expect("read"));
                    let last = found.last().expect("not empty");
                    assert_eq!(found[0].base_offset, offset / 2 * 2);
                    assert!(slice.bytes <= max_bytes || (min_one && found.len() == 1));
                    assert!(last.last_offset() < upper_bound);
                    assert_eq!(slice.next_offset_hint, last.next_offset());
                }
            }
        }
    }
}

#[test]
fn offsets_outside_the_log_are_out_of_range() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 5, 10);
    log.delete_records_before(2, 0).expect("delete");
    for offset in [-1, 0, 1, 6, i64::MAX] {
        let error = log
            .read(offset, 100, i64::MAX, true)
            .err()
            .expect("out of range");
        assert!(matches!(error, ReadError::OffsetOutOfRange { .. }) && error.kafka_code() == 1);
    }
    assert!(log.read(5, 100, i64::MAX, true).expect("read").is_none());
}

#[test]
fn a_large_range_costs_a_handful_of_reads() {
    let disk = FaultyDisk::new(memory_disk());
    let config = LogConfig {
        index_interval_bytes: 4_096,
        ..LogConfig::default()
    };
    let mut log = open(&disk, config);
    for _ in 0..4_000 {
        append_one(&mut log, batch(&[1], 500));
    }
    // A cold jump into the middle, bounded by size.
    let before = disk.operations();
    let slice = log
        .read(1_000, 1_000_000, i64::MAX, true)
        .expect("read")
        .expect("data");
    assert!(slice.bytes > 990_000);
    let cold = disk.operations() - before;
    // The next one goes on where it ended.
    let before = disk.operations();
    log.read(slice.next_offset_hint, 500_000, i64::MAX, true)
        .expect("read")
        .expect("data");
    let sequential = disk.operations() - before;
    // At the tail the range ends with the log.
    log.read(3_990, 1_000_000, i64::MAX, true)
        .expect("read")
        .expect("data");
    fill(&mut log, 1, 100);
    let before = disk.operations();
    log.read(4_000, 1_000_000, i64::MAX, true)
        .expect("read")
        .expect("data");
    let tail = disk.operations() - before;
    assert!(
        cold <= 24 && sequential <= 16 && tail == 0,
        "cold {cold}, sequential {sequential}, tail {tail}"
    );
}

#[test]
fn ranges_outlive_roll_truncation_and_deletion() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 60, 200);
    let slice = log
        .read(3, 500, i64::MAX, true)
        .expect("read")
        .expect("data");
    let bytes = slice.to_vec().expect("read");
    log.delete_records_before(50, 0).expect("delete");
    log.release_files().expect("release");
    assert_eq!(slice.to_vec().expect("read"), bytes);
}

#[test]
fn closed_segments_keep_few_files_open() {
    let disk = memory_disk();
    let mut log = open(
        &disk,
        LogConfig {
            segment_bytes: 400,
            ..small_config()
        },
    );
    fill(&mut log, 100, 150);
    assert!(log.segment_count() > 40);
    read_all(&mut log);
    let open_files = log
        .segments
        .iter()
        .filter(|segment| segment.open_file().is_some())
        .count();
    assert!(open_files <= super::CLOSED_FILES_MAX + 1, "{open_files}");
}

#[test]
fn reading_goes_on_over_a_gap_that_compaction_left() {
    let disk = memory_disk();
    let config = LogConfig {
        compacted: true,
        ..small_config()
    };
    let mut log = open(&disk, config.clone());
    for offset in [0, 4, 10] {
        let mut bytes = batch(&[offset], 10);
        millrace_record::stamp_base_offset(&mut bytes, offset);
        log.append_as_follower(&mut [&mut bytes], 0)
            .expect("append");
    }
    log.roll(0).expect("roll");
    let mut bytes = batch(&[1], 10);
    millrace_record::stamp_base_offset(&mut bytes, 20);
    log.append_as_follower(&mut [&mut bytes], 0)
        .expect("append");
    log.close(true).expect("close");
    let mut log = open_with(&disk, config, clean_hints());
    let base_at = |log: &mut crate::Log<_>, offset| {
        let slice = log
            .read(offset, 1, i64::MAX, true)
            .expect("read")
            .expect("data");
        headers(&slice.to_vec().expect("read"))[0].base_offset
    };
    for (offset, expected) in [
        (0, 0),
        (1, 4),
        (4, 4),
        (5, 10),
        (10, 10),
        (11, 20),
        (15, 20),
        (20, 20),
    ] {
        assert_eq!(base_at(&mut log, offset), expected, "{offset}");
    }
}
