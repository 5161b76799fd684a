use super::*;
use crate::test_log::{
    append_one, batch, clean_hints, file_names, fill, memory_disk, open, open_with, small_config,
};
use crate::{LogConfig, OpenHints};
use millrace_host::disk::memory::MemoryDisk;
use proptest::prelude::*;

const NEVER: i64 = i64::MAX;

fn keep(retention_ms: i64, retention_bytes: i64) -> LogConfig {
    LogConfig {
        retention_ms,
        retention_bytes,
        ..small_config()
    }
}

/// What the caller of a log does at a retention check. Returns how many segments went.
fn retain(log: &mut Log<MemoryDisk>, high_watermark: i64, now_ms: i64) -> usize {
    let expired = log.expired_segments(high_watermark, now_ms).expect("look");
    if expired == 0 {
        return 0;
    }
    if expired == log.segment_count() {
        log.roll_expired(now_ms).expect("roll");
    }
    log.delete_oldest_segments(expired, now_ms).expect("delete");
    expired
}

#[test]
fn a_segment_goes_when_its_largest_timestamp_is_too_old() {
    let disk = memory_disk();
    let mut log = open(&disk, keep(100, -1));
    append_one(&mut log, batch(&[0, 500, 20], 10));
    log.roll(0).expect("roll");
    append_one(&mut log, batch(&[400], 10));
    assert_eq!(retain(&mut log, NEVER, 600), 0, "500 is 100 ago, not more");
    assert_eq!(retain(&mut log, NEVER, 601), 2, "then 400 is older still");
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (4, 4));
    assert_eq!(log.segment_count(), 1);
    assert!(
        file_names(&disk)
            .iter()
            .any(|name| name == "00000000000000000000.log.deleted")
    );
}

#[test]
fn the_active_segment_is_rolled_when_all_of_the_log_is_too_old() {
    let disk = memory_disk();
    let mut log = open(&disk, keep(100, -1));
    append_one(&mut log, batch(&[1, 2], 10));
    assert_eq!(retain(&mut log, NEVER, 1_000), 1);
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (2, 2));
    assert_eq!(log.active_segment_base_offset(), 2);
    assert_eq!(retain(&mut log, NEVER, 100_000), 0, "an empty one stays");
    assert_eq!(append_one(&mut log, batch(&[9_000], 10)), 2);
}

#[test]
fn nothing_above_the_high_watermark_goes() {
    let disk = memory_disk();
    let mut log = open(&disk, keep(100, -1));
    for timestamp in 0..4 {
        append_one(&mut log, batch(&[timestamp], 10));
        log.roll(0).expect("roll");
    }
    assert_eq!(retain(&mut log, 2, 10_000), 2);
    assert_eq!(log.log_start_offset(), 2);
}

#[test]
fn the_oldest_segments_go_as_long_as_the_others_hold_enough() {
    let disk = memory_disk();
    let mut log = open(&disk, keep(-1, -1));
    fill(&mut log, 100, 100);
    let segments = log.segment_count();
    assert!(segments > 4);
    let (all, first, second) = (
        log.size_bytes(),
        u64::from(log.segments[0].size),
        u64::from(log.segments[1].size),
    );
    let limited = |bytes: u64| keep(-1, bytes as i64);
    log.set_config(limited(all - first + 1));
    assert_eq!(retain(&mut log, NEVER, 0), 0, "too little would be left");
    log.set_config(limited(all - first));
    assert_eq!(retain(&mut log, NEVER, 0), 1);
    log.set_config(limited(all - first - second + 1));
    assert_eq!(retain(&mut log, NEVER, 0), 0);
    log.set_config(limited(0));
    assert_eq!(retain(&mut log, NEVER, 0), segments - 1);
    assert_eq!(log.size_bytes(), 0);
}

#[test]
fn a_log_that_does_not_delete_keeps_everything() {
    let disk = memory_disk();
    let config = LogConfig {
        deletes: false,
        ..keep(0, 0)
    };
    let mut log = open(&disk, config);
    fill(&mut log, 50, 100);
    assert_eq!(retain(&mut log, NEVER, NEVER), 0);
}

#[test]
fn a_segment_without_timestamps_is_as_old_as_its_file() {
    let disk = memory_disk();
    let mut log = open(&disk, keep(100, -1));
    append_one(&mut log, batch(&[-1, -1], 10));
    append_one(&mut log, batch(&[-1], 10));
    // A file of a memory disk is of 1970.
    assert_eq!(retain(&mut log, NEVER, 100), 0);
    assert_eq!(retain(&mut log, NEVER, 101), 1);
}

#[test]
fn a_look_at_an_idle_log_leaves_it_idle() {
    let disk = memory_disk();
    let mut log = open(&disk, keep(1_000_000, -1));
    fill(&mut log, 60, 100);
    log.close(true).expect("close");
    let mut log = open_with(&disk, keep(1_000_000, -1), clean_hints());
    assert_eq!(retain(&mut log, NEVER, 10), 0);
    assert!(
        log.segments
            .iter()
            .all(|segment| segment.open_file().is_none() && segment.index_len().is_none())
    );
}

#[derive(Clone, Debug)]
enum Step {
    Append { timestamp: i64, value_bytes: usize },
    Roll,
    Retain { ms: i64, bytes: i64, mark: u8 },
    DeleteRecords { mark: u8 },
    Release,
    Reopen { clean: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (-1..2_000_i64, 0..600_usize).prop_map(|(timestamp, value_bytes)| Step::Append { timestamp, value_bytes }),
        2 => Just(Step::Roll),
        4 => (-1..2_500_i64, prop_oneof![Just(-1), 0..9_000_i64], any::<u8>())
            .prop_map(|(ms, bytes, mark)| Step::Retain { ms, bytes, mark }),
        1 => any::<u8>().prop_map(|mark| Step::DeleteRecords { mark }),
        1 => Just(Step::Release),
        1 => any::<bool>().prop_map(|clean| Step::Reopen { clean }),
    ]
}

/// A segment as a list of what was appended: its base offset, bytes and largest timestamp.
#[derive(Clone, Debug, PartialEq)]
struct Naive {
    base_offset: i64,
    bytes: i64,
    largest: i64,
}

/// Kafka's three rules, one segment at a time, on the plain list.
fn naive_retain(
    segments: &mut Vec<Naive>,
    end_offset: i64,
    (ms, bytes): (i64, i64),
    high_watermark: i64,
    now_ms: i64,
) {
    let may_go = |segments: &[Naive]| match segments {
        [only] => only.bytes > 0 && high_watermark >= end_offset,
        [_, next, ..] => high_watermark >= next.base_offset,
        [] => false,
    };
    let forget_first = |segments: &mut Vec<Naive>| {
        if segments.len() == 1 {
            segments.push(Naive {
                base_offset: end_offset,
                bytes: 0,
                largest: -1,
            });
        }
        segments.remove(0);
    };
    let total = |segments: &[Naive]| segments.iter().map(|one| one.bytes).sum::<i64>();
    while bytes >= 0
        && may_go(segments)
        && segments[0].bytes > 0
        && total(segments) - segments[0].bytes >= bytes
    {
        forget_first(segments);
    }
    while ms >= 0 && may_go(segments) && now_ms - segments[0].largest.max(0) > ms {
        forget_first(segments);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn retention_agrees_with_the_plain_list(steps in prop::collection::vec(step(), 1..60)) {
        let disk = memory_disk();
        let mut log = open(&disk, keep(-1, -1));
        let mut naive = vec![Naive { base_offset: 0, bytes: 0, largest: -1 }];
        let (mut log_start, mut now_ms) = (0, 0);
        for step in steps {
            now_ms += 37;
            match step {
                Step::Append { timestamp, value_bytes } => {
                    let bytes = batch(&[timestamp], value_bytes);
                    let size = bytes.len() as i64;
                    append_one(&mut log, bytes);
                    let base_offset = log.active_segment_base_offset();
                    if naive.last().expect("never empty").base_offset != base_offset {
                        naive.push(Naive { base_offset, bytes: 0, largest: -1 });
                    }
                    let active = naive.last_mut().expect("never empty");
                    active.bytes += size;
                    active.largest = active.largest.max(timestamp);
                }
                Step::Roll => {
                    log.roll(now_ms).expect("roll");
                    if naive.last().expect("never empty").bytes > 0 {
                        naive.push(Naive { base_offset: log.log_end_offset(), bytes: 0, largest: -1 });
                    }
                }
                Step::Retain { ms, bytes, mark } => {
                    log.set_config(keep(ms, bytes));
                    let high_watermark = log_start + (log.log_end_offset() - log_start) * i64::from(mark) / 255;
                    retain(&mut log, high_watermark, now_ms);
                    naive_retain(&mut naive, log.log_end_offset(), (ms, bytes), high_watermark, now_ms);
                    log_start = log_start.max(naive[0].base_offset);
                    prop_assert!(log.log_start_offset() <= high_watermark.max(log_start));
                }
                Step::DeleteRecords { mark } => {
                    let offset = log_start + (log.log_end_offset() - log_start) * i64::from(mark) / 255;
                    log.delete_records_before(offset, now_ms).expect("delete");
                    log_start = offset;
                    while naive.len() > 1 && naive[1].base_offset <= offset {
                        naive.remove(0);
                    }
                }
                Step::Release => log.release_files().expect("release"),
                Step::Reopen { clean } => {
                    if clean {
                        log.close(true).expect("close");
                    }
                    let hints = OpenHints { clean_shutdown: clean, log_start_offset: log_start, ..OpenHints::default() };
                    log = open_with(&disk, keep(-1, -1), hints);
                }
            }
            let segments: Vec<(i64, i64)> = log.segments.iter().map(|one| (one.base_offset, i64::from(one.size))).collect();
            let expected: Vec<(i64, i64)> = naive.iter().map(|one| (one.base_offset, one.bytes)).collect();
            prop_assert_eq!(segments, expected);
            prop_assert_eq!(log.log_start_offset(), log_start);
        }
    }
}
