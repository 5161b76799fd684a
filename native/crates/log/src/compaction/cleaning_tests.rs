use std::collections::HashMap;

use millrace_host::disk::Disk;
use millrace_host::disk::memory::MemoryDisk;
use millrace_record::control::end_transaction_batch;
use millrace_record::{BatchBuilder, BatchHeader, records};

use super::keyed_log::*;
use super::*;
use crate::test_log::*;
use crate::{Log, LogConfig, OpenHints};

#[test]
fn one_record_a_key_stays_in_the_clean_part() {
    let disk = memory_disk();
    let mut log = filled(&disk, 10);
    log.roll(0).expect("roll");
    let before = keyed_records(&mut log);
    let cleaned = clean_all(&mut log, 5_000);
    let after = keyed_records(&mut log);
    assert_compaction_of(&before, &after);
    assert_eq!(after.len(), 10);
    assert_eq!(cleaned.first_dirty_offset, log.log_end_offset());
    assert_eq!(cleaned.stats.records_written, 10);
    // What is small now goes together the next time.
    let again = clean_all(&mut log, 5_000);
    assert_eq!(
        (again.stats.segments_before > 2, again.stats.segments_after),
        (true, 1)
    );
    assert_compaction_of(&before, &keyed_records(&mut log));
    assert_eq!(log.log_start_offset(), 0);
}

#[test]
fn the_active_segment_stays_as_it_is() {
    let disk = memory_disk();
    let mut log = filled(&disk, 10);
    let active = log.active_segment_base_offset();
    let name = format!("{active:020}.log");
    let bytes = read_file(&disk, &name);
    let before = keyed_records(&mut log);
    let cleaned = clean_all(&mut log, 5_000);
    assert_eq!(cleaned.first_dirty_offset, active);
    assert_eq!(read_file(&disk, &name), bytes);
    assert_compaction_of(&before, &keyed_records(&mut log));
}

#[test]
fn a_cleaned_log_reads_from_every_offset_and_at_every_time() {
    let disk = memory_disk();
    let mut log = filled(&disk, 40);
    log.roll(0).expect("roll");
    write(&mut log, 3, 7);
    clean_all(&mut log, 5_000);
    let all = keyed_records(&mut log);
    for reopened in [false, true] {
        if reopened {
            let recovery_point = log.close(true).expect("close");
            log = open_with(
                &disk,
                config(),
                OpenHints {
                    clean_shutdown: true,
                    recovery_point,
                    ..OpenHints::default()
                },
            );
        }
        for offset in 0..log.log_end_offset() {
            let expected = all.iter().find(|record| record.offset >= offset);
            let mut at = offset;
            // Emptied batches on the way hold nothing.
            let found = loop {
                let Some(slice) = log.read(at, 200, i64::MAX, true).expect("read") else {
                    break None;
                };
                at = slice.next_offset_hint;
                let bytes = slice.to_vec().expect("read");
                let found = millrace_record::BatchIter::new(&bytes).find_map(|item| {
                    let opened = records(item.expect("whole").1).expect("records");
                    opened
                        .iter()
                        .map(|record| record.expect("record").offset)
                        .find(|found| *found >= offset)
                });
                if found.is_some() {
                    break found;
                }
            };
            assert_eq!(found, expected.map(|record| record.offset), "from {offset}");
        }
        for timestamp in 999..1_000 + log.log_end_offset() {
            let expected = all.iter().find(|record| record.timestamp >= timestamp);
            let found = log.offset_for_timestamp(timestamp).expect("lookup");
            assert_eq!(
                found.map(|found| found.offset),
                expected.map(|record| record.offset)
            );
        }
        let newest = log.offset_of_max_timestamp().expect("lookup").expect("one");
        assert_eq!(
            newest.timestamp,
            all.iter()
                .map(|record| record.timestamp)
                .max()
                .expect("one")
        );
    }
}

#[test]
fn indexes_of_a_cleaned_segment_are_those_a_rebuild_would_write() {
    let disk = memory_disk();
    let mut log = filled(&disk, 60);
    log.roll(0).expect("roll");
    clean_all(&mut log, 5_000);
    log.close(true).expect("close");
    let indexes: Vec<String> = file_names(&disk)
        .into_iter()
        .filter(|name| name.ends_with("index"))
        .collect();
    assert!(indexes.len() >= 2);
    let before: Vec<Vec<u8>> = indexes.iter().map(|name| read_file(&disk, name)).collect();
    for name in &indexes {
        disk.remove_file(&file_path(name)).expect("remove");
    }
    let mut log = open_with(&disk, config(), clean_hints());
    for offset in 0..log.log_end_offset() {
        log.read(offset, 100, i64::MAX, true).expect("read");
        log.offset_for_timestamp(1_000 + offset).expect("lookup");
    }
    log.close(true).expect("close");
    for (name, before) in indexes.iter().zip(before) {
        assert_eq!(read_file(&disk, name), before, "{name}");
    }
}

#[test]
fn a_map_that_is_too_small_takes_several_cleanings() {
    let disk = memory_disk();
    let mut log = filled(&disk, 90);
    log.roll(0).expect("roll");
    let before = keyed_records(&mut log);
    let small = CompactionLimits {
        dedupe_buffer_bytes: 24 * 40,
        ..limits()
    };
    let (mut cleaned, mut passes) = (None, 0);
    while cleaned != Some(log.log_end_offset()) {
        let outcome = clean(&mut log, cleaned, &HashMap::new(), small, 5_000).expect("cleaned");
        assert!(Some(outcome.first_dirty_offset) > cleaned);
        assert!(outcome.stats.map_utilization <= 0.9);
        cleaned = Some(outcome.first_dirty_offset);
        passes += 1;
        assert_compaction_of(&before, &keyed_records(&mut log));
    }
    assert!(passes > 3);
    // What one large map would have left.
    assert_eq!(keyed_records(&mut log).len(), 90);
}

#[test]
fn tombstones_go_with_a_cleaning_behind_their_horizon() {
    let disk = memory_disk();
    let mut log = open(&disk, config());
    append_one(
        &mut log,
        keyed_batch(&[("a", Some("1")), ("b", Some("2"))], 10),
    );
    append_one(&mut log, keyed_batch(&[("a", None)], 20));
    append_one(&mut log, keyed_batch(&[("c", Some("3"))], 30));
    log.roll(0).expect("roll");
    let retention_ms = log.config().compaction.delete_retention_ms;
    clean_all(&mut log, 1_000);
    let kept: Vec<_> = keyed_records(&mut log)
        .into_iter()
        .map(|record| record.offset)
        .collect();
    assert_eq!(kept, [1, 2, 3]);
    clean_all(&mut log, 999 + retention_ms);
    assert_eq!(keyed_records(&mut log).len(), 3);
    clean_all(&mut log, 1_000 + retention_ms);
    let kept: Vec<_> = keyed_records(&mut log)
        .into_iter()
        .map(|record| record.offset)
        .collect();
    assert_eq!(kept, [1, 3]);
}

#[test]
fn the_end_of_the_log_is_not_lost_with_its_last_record() {
    let disk = memory_disk();
    let mut log = open(&disk, config());
    append_one(&mut log, keyed_batch(&[("a", None)], 10));
    log.roll(0).expect("roll");
    clean_all(&mut log, 1_000);
    let late_ms = 2_000 + log.config().compaction.delete_retention_ms;
    clean_all(&mut log, late_ms);
    assert!(keyed_records(&mut log).is_empty());
    let headers: Vec<BatchHeader> = read_all(&mut log)
        .iter()
        .flat_map(|batch| headers(batch))
        .collect();
    assert_eq!(headers.len(), 1);
    assert_eq!((headers[0].record_count, headers[0].next_offset()), (0, 1));
    log.close(true).expect("close");
    assert_eq!(
        open_with(&disk, config(), clean_hints()).log_end_offset(),
        1
    );
}

fn transactional(producer_id: i64, key: &str, value: &str) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.producer(producer_id, 0, 0).transactional();
    builder.append(50, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
    builder.build()
}

fn append_marker(log: &mut Log<MemoryDisk>, producer_id: i64, commit: bool) {
    append_one(log, end_transaction_batch(producer_id, 0, commit, 0, 60));
}

#[test]
fn aborted_data_goes_at_once_and_its_marker_two_cleanings_later() {
    let disk = memory_disk();
    let mut log = open(&disk, config());
    append_one(&mut log, transactional(1, "a", "aborted"));
    append_one(&mut log, transactional(2, "a", "committed"));
    append_one(&mut log, transactional(1, "b", "aborted too"));
    append_marker(&mut log, 2, true);
    // The abort comes in a later segment than the data.
    log.roll(0).expect("roll");
    append_one(&mut log, keyed_batch(&[("c", Some("plain"))], 70));
    append_marker(&mut log, 1, false);
    append_one(&mut log, keyed_batch(&[("d", Some("end"))], 80));
    log.roll(0).expect("roll");

    let kept = |log: &mut Log<MemoryDisk>| -> Vec<(i64, bool)> {
        read_all(log)
            .iter()
            .map(|batch| BatchHeader::parse(batch).expect("header"))
            .map(|header| (header.base_offset, header.is_control()))
            .collect()
    };
    clean_all(&mut log, 1_000);
    assert_eq!(
        kept(&mut log),
        [(1, false), (3, true), (4, false), (5, true), (6, false)]
    );
    let txn_index = read_file(&disk, "00000000000000000000.txnindex");
    assert_eq!(txn_index.len(), 34);
    assert_eq!(txn_index[2..10], 1_i64.to_be_bytes());
    assert_eq!(txn_index[18..26], 5_i64.to_be_bytes());

    // The data is gone, so the abort marker gets its horizon; the commit marker still has data.
    clean_all(&mut log, 2_000);
    let horizon = |log: &mut Log<MemoryDisk>, offset: i64| {
        read_all(log)
            .iter()
            .map(|batch| BatchHeader::parse(batch).expect("header"))
            .find(|header| header.base_offset == offset)
            .expect("there")
            .delete_horizon_ms()
    };
    let retention_ms = log.config().compaction.delete_retention_ms;
    assert_eq!(horizon(&mut log, 5), Some(2_000 + retention_ms));
    assert_eq!(horizon(&mut log, 3), None);
    clean_all(&mut log, 1_999 + retention_ms);
    assert_eq!(kept(&mut log).len(), 5);
    clean_all(&mut log, 2_000 + retention_ms);
    assert_eq!(
        kept(&mut log),
        [(1, false), (3, true), (4, false), (6, false)]
    );
    assert!(!file_names(&disk).contains(&"00000000000000000000.txnindex".to_owned()));
}

#[test]
fn a_key_whose_newest_record_was_aborted_keeps_the_one_before() {
    let disk = memory_disk();
    let mut log = open(&disk, config());
    append_one(&mut log, keyed_batch(&[("a", Some("good"))], 10));
    log.roll(0).expect("roll");
    append_one(&mut log, transactional(1, "a", "never read"));
    append_marker(&mut log, 1, false);
    append_one(&mut log, keyed_batch(&[("z", Some("end"))], 20));
    log.roll(0).expect("roll");
    clean_all(&mut log, 1_000);
    let values: Vec<_> = keyed_records(&mut log)
        .into_iter()
        .map(|record| record.value)
        .collect();
    assert_eq!(values, [Some(b"good".to_vec()), Some(b"end".to_vec())]);
}

#[test]
fn a_batch_larger_than_the_buffers_is_cleaned_too() {
    let disk = memory_disk();
    let mut log = open(&disk, config());
    let long = "x".repeat(3_000);
    append_one(&mut log, keyed_batch(&[("a", Some(&long))], 10));
    append_one(
        &mut log,
        keyed_batch(&[("a", Some(&long)), ("b", Some("1"))], 20),
    );
    append_one(&mut log, keyed_batch(&[("b", Some("2"))], 30));
    log.roll(0).expect("roll");
    clean_all(&mut log, 1_000);
    let kept: Vec<_> = keyed_records(&mut log)
        .into_iter()
        .map(|record| record.offset)
        .collect();
    assert_eq!(kept, [1, 3]);
}

#[test]
fn snapshots_of_merged_segments_go() {
    let disk = memory_disk();
    let mut log = open(&disk, config());
    for _ in 0..6 {
        write(&mut log, 5, 3);
        log.roll(0).expect("roll");
    }
    log.sync().expect("sync");
    clean_all(&mut log, 1_000);
    let snapshots: Vec<String> = file_names(&disk)
        .into_iter()
        .filter(|name| name.ends_with(".snapshot"))
        .collect();
    assert_eq!(snapshots, ["00000000000000000060.snapshot"]);
}

#[test]
fn output_that_grew_beyond_a_segment_takes_two() {
    let disk = memory_disk();
    let mut log = filled(&disk, 1_000);
    log.roll(0).expect("roll");
    let before = keyed_records(&mut log);
    // As if every batch had grown: the segments were written under a larger limit.
    log.set_config(LogConfig {
        segment_bytes: 1_000,
        ..config()
    });
    let cleaned = clean_all(&mut log, 5_000);
    assert!(cleaned.stats.segments_after > cleaned.stats.segments_before);
    assert_eq!(keyed_records(&mut log), before);
    for name in file_names(&disk)
        .iter()
        .filter(|name| name.ends_with(".log"))
    {
        assert!(read_file(&disk, name).len() <= 1_000);
    }
}
