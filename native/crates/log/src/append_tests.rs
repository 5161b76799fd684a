use millrace_host::disk::Disk;
use millrace_host::disk::faulty::{Failure, Fault, FaultyDisk, Operation};
use millrace_record::{BatchHeader, TimestampType, verify_crc};

use crate::LogConfig;
use crate::error::AppendError;
use crate::test_log::{
    append_one, batch, clean_hints, file_names, fill, headers, memory_disk, open, open_with,
    read_all, read_file, small_config,
};

const FIRST_LOG: &str = "00000000000000000000.log";
const FIRST_INDEX: &str = "00000000000000000000.index";
const FIRST_TIME_INDEX: &str = "00000000000000000000.timeindex";

#[test]
fn offsets_and_epoch_are_stamped_and_bytes_lie_in_the_file_as_sent() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let (mut first, mut second) = (batch(&[5, 6, 7], 10), batch(&[8], 20));
    let info = log
        .append(&mut [&mut first, &mut second], 9, 1_000)
        .expect("append");
    assert_eq!(
        (
            info.base_offset,
            info.last_offset,
            info.log_append_time_ms,
            info.rolled
        ),
        (0, 3, -1, false)
    );
    assert_eq!(log.log_end_offset(), 4);
    let bytes = read_file(&disk, FIRST_LOG);
    assert_eq!(bytes, [first.clone(), second.clone()].concat());
    let stamped: Vec<(i64, i32)> = headers(&bytes)
        .iter()
        .map(|header| (header.base_offset, header.partition_leader_epoch))
        .collect();
    assert_eq!(stamped, [(0, 9), (3, 9)]);
    assert!(verify_crc(&first) && verify_crc(&second));
}

#[test]
fn many_batches_are_one_write() {
    let disk = FaultyDisk::new(memory_disk());
    let mut log = open(&disk, LogConfig::default());
    fill(&mut log, 1, 100);
    let before = disk.operations();
    let mut batches: Vec<Vec<u8>> = (0..50).map(|index| batch(&[index], 100)).collect();
    let mut slices: Vec<&mut [u8]> = batches.iter_mut().map(Vec::as_mut_slice).collect();
    log.append(&mut slices, 0, 0).expect("append");
    assert_eq!(disk.operations() - before, 1);
}

#[test]
fn log_append_time_restamps_and_answers_with_the_time() {
    let disk = memory_disk();
    let mut log = open(
        &disk,
        LogConfig {
            message_timestamp_type: TimestampType::LogAppendTime,
            ..small_config()
        },
    );
    let mut bytes = batch(&[5], 10);
    let info = log.append(&mut [&mut bytes], 0, 777).expect("append");
    assert_eq!(info.log_append_time_ms, 777);
    let header = BatchHeader::parse(&read_file(&disk, FIRST_LOG)).expect("header");
    assert!(header.is_log_append_time() && header.max_timestamp == 777);
    assert!(verify_crc(&read_file(&disk, FIRST_LOG)));
}

/// The rule of Kafka's LogSegment.append, written down a second time.
fn expected_indexes(log_bytes: &[u8], base_offset: i64, interval: u32) -> (Vec<u8>, Vec<u8>) {
    let (mut offsets, mut times) = (Vec::new(), Vec::new());
    let (mut position, mut since) = (0_u32, 0_u32);
    let (mut largest, mut largest_offset, mut last_indexed) = (-1_i64, 0_i64, -1_i64);
    for header in headers(log_bytes) {
        if header.max_timestamp > largest {
            (largest, largest_offset) = (header.max_timestamp, header.last_offset());
        }
        if since > interval {
            offsets.extend(((header.last_offset() - base_offset) as u32).to_be_bytes());
            offsets.extend(position.to_be_bytes());
            if largest > last_indexed {
                times.extend(largest.to_be_bytes());
                times.extend(((largest_offset - base_offset) as u32).to_be_bytes());
                last_indexed = largest;
            }
            since = 0;
        }
        position += header.size_bytes() as u32;
        since += header.size_bytes() as u32;
    }
    if largest > last_indexed {
        times.extend(largest.to_be_bytes());
        times.extend(((largest_offset - base_offset) as u32).to_be_bytes());
    }
    (offsets, times)
}

#[test]
fn index_files_hold_exactly_what_kafka_would_write() {
    let disk = memory_disk();
    let mut log = open(
        &disk,
        LogConfig {
            segment_bytes: 20_000,
            ..small_config()
        },
    );
    let timestamps = [
        50, 10, 10, 70, 60, 90, 20, 20, 95, 95, 100, 30, 30, 30, 30, 7,
    ];
    for (round, &timestamp) in timestamps.iter().cycle().take(60).enumerate() {
        append_one(
            &mut log,
            batch(&[timestamp, timestamp - 1], 20 + (round * 37) % 200),
        );
    }
    log.close(true).expect("close");
    let (offsets, times) = expected_indexes(&read_file(&disk, FIRST_LOG), 0, 300);
    assert!(offsets.len() > 80 && times.len() > 24);
    assert_eq!(read_file(&disk, FIRST_INDEX), offsets);
    assert_eq!(read_file(&disk, FIRST_TIME_INDEX), times);
}

#[test]
fn rolled_segments_leave_whole_trimmed_indexes() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    fill(&mut log, 80, 150);
    assert!(log.segment_count() > 3);
    for name in file_names(&disk)
        .iter()
        .filter(|name| name.ends_with(".log"))
    {
        let base_offset: i64 = name[..20].parse().expect("digits");
        if base_offset == log.active_segment_base_offset() {
            continue;
        }
        let bytes = read_file(&disk, name);
        assert_eq!(headers(&bytes)[0].base_offset, base_offset);
        assert!(bytes.len() <= 4_000);
        let (offsets, times) = expected_indexes(&bytes, base_offset, 300);
        assert_eq!(read_file(&disk, &name.replace(".log", ".index")), offsets);
        assert_eq!(read_file(&disk, &name.replace(".log", ".timeindex")), times);
    }
}

#[test]
fn a_call_may_span_segments() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let mut batches: Vec<Vec<u8>> = (0..30).map(|index| batch(&[index], 400)).collect();
    let mut slices: Vec<&mut [u8]> = batches.iter_mut().map(Vec::as_mut_slice).collect();
    let info = log.append(&mut slices, 0, 0).expect("append");
    assert!(info.rolled);
    assert_eq!((info.base_offset, info.last_offset), (0, 29));
    assert!(log.segment_count() >= 4);
    assert_eq!(read_all(&mut log), batches);
}

#[test]
fn segment_rolls_by_the_timestamps_of_its_batches() {
    let disk = memory_disk();
    let mut log = open(
        &disk,
        LogConfig {
            segment_ms: 1_000,
            ..small_config()
        },
    );
    append_one(&mut log, batch(&[5_000], 10));
    append_one(&mut log, batch(&[6_000], 10));
    assert_eq!(log.segment_count(), 1);
    append_one(&mut log, batch(&[6_001], 10));
    assert_eq!(
        (log.segment_count(), log.active_segment_base_offset()),
        (2, 2)
    );
    log.close(true).expect("close");
    // The first timestamp is found again after reopening.
    let mut log = open_with(
        &disk,
        LogConfig {
            segment_ms: 1_000,
            ..small_config()
        },
        clean_hints(),
    );
    append_one(&mut log, batch(&[7_001], 10));
    assert_eq!(log.segment_count(), 2);
    append_one(&mut log, batch(&[7_002], 10));
    assert_eq!(log.segment_count(), 3);
}

#[test]
fn jitter_rolls_earlier_but_never_later() {
    let config = LogConfig {
        segment_ms: 1_000,
        segment_jitter_ms: 500,
        ..small_config()
    };
    let path = std::path::Path::new;
    for base_offset in 0..1_000 {
        let jitter = crate::roll::roll_jitter_ms(&config, path("/data/topic-0"), base_offset);
        assert!((0..500).contains(&jitter));
    }
    let firsts: std::collections::HashSet<i64> = (0..100)
        .map(|index| crate::roll::roll_jitter_ms(&config, path(&format!("/data/topic-{index}")), 0))
        .collect();
    assert!(firsts.len() > 80, "logs that begin together roll apart");
    assert_eq!(
        crate::roll::roll_jitter_ms(
            &LogConfig {
                segment_jitter_ms: 0,
                ..config
            },
            path("/data/topic-0"),
            7
        ),
        0
    );
}

#[test]
fn full_index_rolls() {
    let disk = memory_disk();
    // Room for three offset entries, and two time entries of which one is kept for the roll.
    let mut log = open(
        &disk,
        LogConfig {
            segment_index_bytes: 36,
            index_interval_bytes: 0,
            ..small_config()
        },
    );
    fill(&mut log, 20, 10);
    assert!(log.segment_count() >= 6, "{} segments", log.segment_count());
    assert_eq!(read_all(&mut log).len(), 20);
    for name in file_names(&disk)
        .iter()
        .filter(|name| name.ends_with("index"))
    {
        assert!(read_file(&disk, name).len() <= 36);
    }
}

#[test]
fn offsets_too_far_apart_roll() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let follower_batch = |offset: i64| {
        let mut bytes = batch(&[1], 10);
        millrace_record::stamp_base_offset(&mut bytes, offset);
        bytes
    };
    let far = i64::from(i32::MAX) + 1;
    for offset in [5, far - 1, far + 4, far + 5] {
        log.append_as_follower(&mut [&mut follower_batch(offset)], 0)
            .expect("append");
    }
    assert_eq!(log.segment_count(), 2);
    assert_eq!(log.active_segment_base_offset(), far + 4);
    assert_eq!(log.log_end_offset(), far + 6);
    let error = log
        .append_as_follower(&mut [&mut follower_batch(7)], 0)
        .expect_err("behind the end");
    assert!(matches!(error, AppendError::OutOfOrder { .. }));
}

#[test]
fn bytes_that_are_not_one_batch_are_refused_whole() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    let good = batch(&[1], 10);
    let two = [good.clone(), good.clone()].concat();
    let mut cut = good.clone();
    cut.pop();
    for (bad, code) in [
        (two, 87),
        (cut, 2),
        (batch(&[1], 5_000), 18),
        (vec![0; 70], 2),
    ] {
        let (mut good, mut bad) = (good.clone(), bad);
        let error = log
            .append(&mut [&mut good, &mut bad], 0, 0)
            .expect_err("refused");
        assert!(matches!(error, AppendError::Invalid { index: 1, .. }));
        assert!(
            [code, 2, 87].contains(&error.kafka_code()),
            "{error} {}",
            error.kafka_code()
        );
        assert_eq!(log.log_end_offset(), 0);
    }
}

#[test]
fn full_disk_appends_nothing_and_the_log_goes_on_when_there_is_space() {
    let disk = FaultyDisk::new(memory_disk());
    let mut log = open(&disk, small_config());
    fill(&mut log, 3, 100);
    for written in [0, 1, 60, 61, 100, 170] {
        let before = read_file(&disk, FIRST_LOG);
        disk.arm(Fault {
            operation: Some(Operation::Write),
            after: 0,
            failure: Failure::ShortWrite { bytes: written },
            lasting: false,
        });
        let (mut first, mut second) = (batch(&[1], 50), batch(&[2], 50));
        let error = log
            .append(&mut [&mut first, &mut second], 0, 0)
            .expect_err("no space");
        assert_eq!(error.kafka_code(), 56);
        assert_eq!(read_file(&disk, FIRST_LOG), before);
        assert!(!log.is_fenced());
        fill(&mut log, 1, 100);
    }
    assert_eq!(log.log_end_offset(), 9);
    assert_eq!(read_all(&mut log).len(), 9);
}

#[test]
fn io_error_fences_the_log_but_reads_go_on() {
    let disk = FaultyDisk::new(memory_disk());
    let mut log = open(&disk, small_config());
    fill(&mut log, 3, 100);
    disk.arm(Fault {
        operation: Some(Operation::Write),
        after: 0,
        failure: Failure::Io,
        lasting: false,
    });
    assert_eq!(
        log.append(&mut [&mut batch(&[1], 50)], 0, 0)
            .expect_err("i/o error")
            .kafka_code(),
        56
    );
    assert!(log.is_fenced());
    assert!(matches!(
        log.append(&mut [&mut batch(&[1], 50)], 0, 0),
        Err(AppendError::Fenced)
    ));
    assert_eq!(read_all(&mut log).len(), 3);
}

#[test]
fn failure_in_a_later_segment_takes_back_the_whole_call() {
    for operation in [Operation::Write, Operation::Open] {
        for after in 0..12 {
            let disk = FaultyDisk::new(memory_disk());
            let mut log = open(&disk, small_config());
            fill(&mut log, 3, 100);
            let kept = read_all(&mut log);
            let mut batches: Vec<Vec<u8>> = (0..25).map(|index| batch(&[index], 400)).collect();
            disk.arm(Fault {
                operation: Some(operation),
                after,
                failure: Failure::NoSpace,
                lasting: false,
            });
            let mut slices: Vec<&mut [u8]> = batches.iter_mut().map(Vec::as_mut_slice).collect();
            let result = log.append(&mut slices, 0, 0);
            disk.disarm();
            let expected = if result.is_ok() {
                [kept, batches].concat()
            } else {
                kept
            };
            assert_eq!(read_all(&mut log), expected, "{operation:?} {after}");
            if !log.is_fenced() {
                fill(&mut log, 2, 100);
                assert_eq!(read_all(&mut log).len(), expected.len() + 2);
            }
            let end_offset = log.log_end_offset();
            drop(log);
            let mut log = open(&disk, small_config());
            assert_eq!(log.log_end_offset(), end_offset, "{operation:?} {after}");
            assert_eq!(read_all(&mut log)[..expected.len()], expected);
        }
    }
}

#[test]
fn empty_partition_leaves_no_segment_file() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    assert_eq!(
        log.read(0, 100, i64::MAX, true)
            .expect("read")
            .map(|slice| slice.bytes),
        None
    );
    log.close(true).expect("close");
    assert!(file_names(&disk).is_empty());
    assert!(
        disk.exists(std::path::Path::new(crate::test_log::DIR))
            .expect("exists")
    );
}
