use std::collections::HashMap;

use super::plan::{Dirtiness, SourceSizes, group};
use super::*;
use crate::test_log::{append_one, batch, memory_disk, open, small_config};
use crate::{CompactionConfig, Log, LogConfig};
use millrace_host::disk::memory::MemoryDisk;

/// Segments with one batch each: base offsets 0, 1, 2, …, timestamps 1000, 2000, 3000, …; the last is active and empty.
fn log_of(segments: i64, compaction: CompactionConfig) -> Log<MemoryDisk> {
    let config = LogConfig {
        compacted: true,
        compaction,
        ..small_config()
    };
    let mut log = open(&memory_disk(), config);
    for number in 1..=segments {
        append_one(&mut log, batch(&[number * 1_000], 100));
        log.roll(0).expect("roll");
    }
    log.sync().expect("sync");
    log
}

fn dirtiness(
    log: &mut Log<MemoryDisk>,
    cleaned: Option<i64>,
    stable: i64,
    now_ms: i64,
) -> Dirtiness {
    log.dirtiness(cleaned, stable, now_ms).expect("readable")
}

#[test]
fn without_a_checkpoint_everything_but_the_active_segment_is_dirty() {
    let mut log = log_of(4, CompactionConfig::default());
    append_one(&mut log, batch(&[5_000], 100));
    let found = dirtiness(&mut log, None, 5, 10_000);
    assert_eq!(
        (found.first_dirty_offset, found.first_uncleanable_offset),
        (0, 4)
    );
    assert_eq!((found.clean_bytes, found.ratio()), (0, 1.0));
    assert!(!found.resets_checkpoint);
    let quarter = found.cleanable_bytes / 4;
    let found = dirtiness(&mut log, Some(3), 5, 10_000);
    assert_eq!(
        (found.clean_bytes, found.cleanable_bytes),
        (3 * quarter, quarter)
    );
    assert!(found.wants_cleaning(0.24) && !found.wants_cleaning(0.25));
}

#[test]
fn nothing_at_or_behind_the_last_stable_offset_is_cleanable() {
    let mut log = log_of(4, CompactionConfig::default());
    for stable in 0..=4 {
        let found = dirtiness(&mut log, None, stable, 10_000);
        assert_eq!(found.first_uncleanable_offset, stable);
    }
}

#[test]
fn what_is_not_on_disk_supersedes_nothing() {
    let mut log = log_of(2, CompactionConfig::default());
    for number in 3..=4 {
        append_one(&mut log, batch(&[number * 1_000], 100));
        log.roll(0).expect("roll");
    }
    assert_eq!(dirtiness(&mut log, None, 4, 0).first_uncleanable_offset, 2);
    log.sync().expect("sync");
    assert_eq!(dirtiness(&mut log, None, 4, 0).first_uncleanable_offset, 4);
}

#[test]
fn a_checkpoint_outside_the_log_is_reset_to_its_start() {
    let mut log = log_of(4, CompactionConfig::default());
    let found = dirtiness(&mut log, Some(5), 4, 0);
    assert!(found.resets_checkpoint);
    assert_eq!(found.first_dirty_offset, 0);
    log.delete_records_before(2, 0).expect("delete");
    let found = dirtiness(&mut log, Some(1), 4, 0);
    assert!(found.resets_checkpoint);
    assert_eq!((found.first_dirty_offset, found.clean_bytes), (2, 0));
    let found = dirtiness(&mut log, Some(4), 4, 0);
    assert!(!found.resets_checkpoint);
    assert_eq!(found.cleanable_bytes, 0);
    assert!(!found.wants_cleaning(0.0));
}

#[test]
fn young_segments_and_what_follows_them_wait_for_the_minimum_lag() {
    let compaction = CompactionConfig {
        min_compaction_lag_ms: 2_500,
        ..CompactionConfig::default()
    };
    let mut log = log_of(4, compaction);
    // Timestamps 1000 to 4000: at 5000 those above 2500 are too young.
    assert_eq!(
        dirtiness(&mut log, None, 4, 5_000).first_uncleanable_offset,
        2
    );
    assert_eq!(
        dirtiness(&mut log, None, 4, 6_500).first_uncleanable_offset,
        4
    );
    assert_eq!(dirtiness(&mut log, None, 4, 0).first_uncleanable_offset, 0);
}

#[test]
fn the_maximum_lag_makes_a_cleaning_due_and_rolls_the_active_segment() {
    let compaction = CompactionConfig {
        max_compaction_lag_ms: 3_000,
        ..CompactionConfig::default()
    };
    let mut log = log_of(4, compaction);
    // The oldest dirty batch is of 3000.
    let found = dirtiness(&mut log, Some(2), 4, 6_000);
    assert_eq!(found.overdue_ms, 0);
    let found = dirtiness(&mut log, Some(2), 4, 6_001);
    assert_eq!(found.overdue_ms, 1);
    assert!(found.wants_cleaning(1.0));
    append_one(&mut log, batch(&[5_000], 100));
    append_one(&mut log, batch(&[8_000], 100));
    assert_eq!(log.active_segment_base_offset(), 4);
    append_one(&mut log, batch(&[8_001], 100));
    assert_eq!(log.active_segment_base_offset(), 6);
}

fn sized(base_offset: i64, size: u32, end_offset: i64, index_bytes: u64) -> SourceSizes {
    SourceSizes {
        source: Source {
            base_offset,
            size,
            end_offset,
        },
        index_bytes,
        time_index_bytes: 0,
    }
}

fn bases(groups: &[Vec<Source>]) -> Vec<Vec<i64>> {
    let base = |source: &Source| source.base_offset;
    groups
        .iter()
        .map(|group| group.iter().map(base).collect())
        .collect()
}

#[test]
fn groups_fit_bytes_index_and_offset_span_of_a_segment() {
    let config = LogConfig {
        segment_bytes: 100,
        segment_index_bytes: 50,
        ..LogConfig::default()
    };
    let by_bytes = [
        sized(0, 50, 10, 0),
        sized(10, 50, 20, 0),
        sized(20, 1, 30, 0),
        sized(30, 100, 40, 0),
    ];
    assert_eq!(
        bases(&group(&by_bytes, &config)),
        [vec![0, 10], vec![20], vec![30]]
    );
    let by_index = [
        sized(0, 1, 10, 30),
        sized(10, 1, 20, 20),
        sized(20, 1, 30, 8),
    ];
    assert_eq!(bases(&group(&by_index, &config)), [vec![0, 10], vec![20]]);
    let far = i64::from(i32::MAX);
    let by_span = [
        sized(0, 1, 10, 0),
        sized(10, 1, far + 1, 0),
        sized(far + 1, 1, far + 2, 0),
        sized(far + 2, 0, far + 3, 0),
    ];
    assert_eq!(
        bases(&group(&by_span, &config)),
        [vec![0, 10], vec![far + 1, far + 2]]
    );
    assert!(group(&[], &config).is_empty());
}

#[test]
fn an_abort_by_the_pacer_ends_the_cleaning() {
    let mut log = log_of(4, CompactionConfig::default());
    let found = dirtiness(&mut log, None, 4, 0);
    let limits = CompactionLimits {
        dedupe_buffer_bytes: 10_000,
        load_factor: 0.9,
        io_buffer_bytes: 100,
        hash_seed: 1,
    };
    let mut compaction = log
        .begin_compaction(&found, HashMap::new(), limits, 0)
        .expect("begin");
    let mut stop = |_| ControlFlow::Break(());
    assert!(matches!(
        compaction.index(&mut Pace(&mut stop)),
        Err(CompactionError::Aborted)
    ));
}
