//! A power cut after every single disk operation of a cleaning: what is opened afterwards holds the newest value of every key, and the next
//! cleaning finishes the work.

use std::collections::HashMap;

use millrace_host::disk::faulty::{Failure, Fault, FaultyDisk};
use millrace_host::disk::memory::{Crash, MemoryDisk};

use super::keyed_log::*;
use crate::test_log::*;
use crate::{Log, LogConfig, OpenHints};

fn config(segment_bytes: u32) -> LogConfig {
    LogConfig {
        compacted: true,
        segment_bytes,
        ..small_config()
    }
}

/// A log with several closed segments, durable, on a disk that can fail; and what a reader knows of it.
fn prepared() -> (MemoryDisk, Vec<KeyedRecord>) {
    let disk = memory_disk();
    let mut log = open(&disk, config(600));
    for number in 0..60_i64 {
        let key = format!("key-{}", number * 7 % 13);
        let value = (number % 5 != 0).then(|| format!("value-{number}"));
        append_one(
            &mut log,
            keyed_batch(&[(&key, value.as_deref()), ("all", Some("x"))], number),
        );
    }
    log.roll(0).expect("roll");
    let records = keyed_records(&mut log);
    log.checkpoint().expect("checkpoint");
    (disk, records)
}

fn reopen(disk: &MemoryDisk, segment_bytes: u32) -> Log<MemoryDisk> {
    let hints = OpenHints {
        // As good as what the checkpoint would say.
        recovery_point: 40,
        ..OpenHints::default()
    };
    open_with(disk, config(segment_bytes), hints)
}

/// Returns how many cuts there were before a cleaning got through.
fn cut_everywhere(segment_bytes: u32, crash: impl Fn(u64) -> Crash) -> u64 {
    // Tombstones that may go at once make the worst case: they go, and what they stand for must never come back.
    let early_ms = 1_000;
    let late_ms = early_ms + config(0).compaction.delete_retention_ms;
    for after in 0.. {
        let (inner, before) = prepared();
        {
            let mut log = reopen(&inner, segment_bytes);
            clean_all(&mut log, early_ms);
            log.checkpoint().expect("checkpoint");
        }
        let disk = FaultyDisk::new(inner.clone());
        let hints = OpenHints {
            recovery_point: 40,
            ..OpenHints::default()
        };
        let mut log = open_with(&disk, config(segment_bytes), hints);
        disk.arm(Fault {
            operation: None,
            after,
            failure: Failure::Io,
            lasting: true,
        });
        let outcome = clean(&mut log, None, &HashMap::new(), limits(), late_ms);
        drop(log);
        inner.crash(crash(after));
        let mut log = reopen(&inner, segment_bytes);
        assert_eq!(log.log_end_offset(), 120, "cut after {after}");
        assert_compaction_of(&before, &keyed_records(&mut log));
        let left: Vec<String> = file_names(&inner)
            .into_iter()
            .filter(|name| name.ends_with(".swap") || name.ends_with(".cleaned"))
            .collect();
        assert!(left.is_empty(), "cut after {after} left {left:?}");
        clean_all(&mut log, late_ms);
        let settled = keyed_records(&mut log);
        assert_compaction_of(&before, &settled);
        // Once everything is done no cut can have left anything superseded behind.
        let keys: std::collections::HashSet<_> =
            settled.iter().map(|record| record.key.clone()).collect();
        assert_eq!(keys.len(), settled.len());
        assert!(settled.iter().all(|record| record.value.is_some()));
        append_one(&mut log, keyed_batch(&[("all", Some("later"))], 9_000));
        if outcome.is_ok() {
            return after;
        }
    }
    unreachable!("a cleaning ends")
}

#[test]
fn a_power_cut_that_keeps_only_the_synced_loses_nothing() {
    assert!(cut_everywhere(4_000, |_| Crash::KeepSynced) > 30);
}

#[test]
fn a_power_cut_that_keeps_some_of_the_rest_loses_nothing() {
    for seed in 0..6 {
        assert!(
            cut_everywhere(4_000, |after| Crash::KeepSome {
                seed: seed * 1_000 + after
            }) > 30
        );
    }
}

#[test]
fn a_group_that_becomes_several_segments_survives_cuts_too() {
    // Segments of 600 bytes under a limit of 300: each is written as several.
    for seed in 0..3 {
        assert!(
            cut_everywhere(300, |after| Crash::KeepSome {
                seed: seed * 1_000 + after
            }) > 60
        );
    }
}
