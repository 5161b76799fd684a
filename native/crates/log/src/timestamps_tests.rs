use millrace_host::disk::Disk;

use crate::test_log::{
    append_one, batch, clean_hints, fill, memory_disk, open, open_with, small_config,
};
use crate::{LogConfig, TimestampLookup};

#[test]
fn finds_the_first_record_at_or_after_a_time_as_a_plain_search_would() {
    let disk = memory_disk();
    let config = LogConfig {
        segment_bytes: 1_500,
        ..small_config()
    };
    let mut log = open(&disk, config.clone());
    let mut all: Vec<i64> = Vec::new();
    for round in 0..120_i64 {
        // Wandering, with steps back.
        let base = round * 10 + (round * 7919) % 60;
        let timestamps = [base, base + 35, base + 5];
        all.extend(timestamps);
        append_one(&mut log, batch(&timestamps, 20));
    }
    assert!(log.segment_count() > 5);
    let check = |log: &mut crate::Log<_>| {
        for timestamp in -1..1_400 {
            let expected = all.iter().position(|&found| found >= timestamp);
            let found = log.offset_for_timestamp(timestamp).expect("lookup");
            assert_eq!(
                found.map(|found| found.offset),
                expected.map(|offset| offset as i64),
                "{timestamp}"
            );
            assert_eq!(
                found.map(|found| found.timestamp),
                expected.map(|offset| all[offset])
            );
        }
        let max = *all.iter().max().expect("not empty");
        let offset = all
            .iter()
            .position(|&timestamp| timestamp == max)
            .expect("present") as i64;
        let found = log.offset_of_max_timestamp().expect("lookup");
        assert_eq!(
            found,
            Some(TimestampLookup {
                timestamp: max,
                offset,
                leader_epoch: 0
            })
        );
    };
    check(&mut log);
    log.release_files().expect("release");
    check(&mut log);
    log.close(true).expect("close");
    check(&mut open_with(&disk, config, clean_hints()));
}

#[test]
fn an_empty_log_has_no_timestamps() {
    let mut log = open(&memory_disk(), small_config());
    assert_eq!(log.offset_for_timestamp(0).expect("lookup"), None);
    assert_eq!(log.offset_of_max_timestamp().expect("lookup"), None);
}

#[test]
fn deleted_records_are_not_found() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    append_one(&mut log, batch(&[10, 20, 30], 10));
    fill(&mut log, 3, 10);
    log.delete_records_before(1, 0).expect("delete");
    assert_eq!(
        log.offset_for_timestamp(5)
            .expect("lookup")
            .map(|found| found.offset),
        Some(1)
    );
}

#[test]
fn a_search_goes_on_though_its_segment_is_deleted_meanwhile() {
    let disk = memory_disk();
    let mut log = open(&disk, small_config());
    append_one(&mut log, batch(&[100, 300], 10));
    log.roll(0).expect("roll");
    append_one(&mut log, batch(&[200, 400], 10));
    let search = log.begin_time_search(150, 0).expect("begin");
    let search = search.expect("the first segment reaches 300");
    let newest = log.begin_max_time_search().expect("begin").expect("one");
    log.roll(0).expect("roll");
    log.delete_records_before(4, 0).expect("delete");
    for path in log.take_due_deletions(i64::MAX) {
        disk.remove_file(&path).expect("remove");
    }
    let found = search.run().expect("run").expect("one");
    assert_eq!((found.timestamp, found.offset), (300, 1));
    assert_eq!(newest.run().expect("run").offset, 3);
    assert!(
        log.begin_time_search(150, search.next_from())
            .expect("begin")
            .is_none()
    );
}
