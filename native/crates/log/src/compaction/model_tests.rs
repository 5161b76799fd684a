//! Lists of operations, cleanings, crashes and reopenings among them, against a plain list of keyed records. A failing list leaves its seed in
//! `model_tests.seeds` beside this file; it runs first from then on.

use std::collections::HashMap;
use std::ops::ControlFlow;

use millrace_host::disk::Disk;
use millrace_host::disk::memory::{Crash, MemoryDisk};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::keyed_log::*;
use super::*;
use crate::test_log::*;
use crate::{Log, LogConfig, OpenHints};

#[derive(Clone, Debug)]
enum Operation {
    /// Key, and length of the value; none is a tombstone.
    Append {
        records: Vec<(u8, Option<u8>)>,
    },
    Roll,
    Sync,
    Clean {
        map_keys: u8,
        meanwhile: Option<Box<Operation>>,
    },
    /// Tombstones and markers run out.
    PassTime,
    Truncate {
        at: u16,
    },
    DeleteRecords {
        at: u16,
    },
    DropOldest,
    FindTime {
        at: u16,
    },
    Release,
    CloseAndReopen,
    KillAndReopen,
    Crash {
        seed: u64,
    },
}

fn interfering() -> impl Strategy<Value = Operation> {
    let record = (0..12_u8, prop::option::weighted(0.8, 0..60_u8));
    prop_oneof![
        8 => prop::collection::vec(record, 1..5).prop_map(|records| Operation::Append { records }),
        2 => Just(Operation::Roll),
        1 => any::<u16>().prop_map(|at| Operation::Truncate { at }),
        1 => any::<u16>().prop_map(|at| Operation::DeleteRecords { at }),
        1 => Just(Operation::DropOldest),
        1 => Just(Operation::Release),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        20 => interfering(),
        5 => (1..30_u8, prop::option::weighted(0.4, interfering().prop_map(Box::new)))
            .prop_map(|(map_keys, meanwhile)| Operation::Clean { map_keys, meanwhile }),
        1 => Just(Operation::PassTime),
        2 => Just(Operation::Sync),
        2 => any::<u16>().prop_map(|at| Operation::FindTime { at }),
        1 => Just(Operation::CloseAndReopen),
        1 => Just(Operation::KillAndReopen),
        2 => any::<u64>().prop_map(|seed| Operation::Crash { seed }),
    ]
}

fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        ..config()
    }
}

struct Model {
    disk: MemoryDisk,
    log: Log<MemoryDisk>,
    /// Everything ever appended that is still below the log end.
    records: Vec<KeyedRecord>,
    cleaned_offset: Option<i64>,
    /// No truncation goes below what a cleaning has seen: it was below the high watermark.
    cleaned_max: i64,
    now_ms: i64,
}

impl Model {
    fn new() -> Model {
        let disk = memory_disk();
        let log = open(&disk, small());
        Model {
            disk,
            log,
            records: Vec::new(),
            cleaned_offset: None,
            cleaned_max: 0,
            now_ms: 1_000,
        }
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Append { records } => self.append(records),
            Operation::Roll => self.log.roll(self.now_ms).expect("roll"),
            Operation::Sync => {
                self.log.sync().expect("sync");
            }
            Operation::Clean {
                map_keys,
                meanwhile,
            } => self.clean(*map_keys, meanwhile.as_deref()),
            Operation::PassTime => {
                self.now_ms += 1 + small().compaction.delete_retention_ms;
            }
            Operation::Truncate { at } => {
                let low = self.log.log_start_offset().max(self.cleaned_max);
                let end_offset = self.pick(*at, low);
                self.log
                    .truncate(end_offset, self.now_ms)
                    .expect("truncate");
                self.forget_lost();
            }
            Operation::DeleteRecords { at } => {
                let offset = self.pick(*at, self.log.log_start_offset());
                self.log
                    .delete_records_before(offset, self.now_ms)
                    .expect("delete");
                self.log.checkpoint().expect("checkpoint");
            }
            Operation::DropOldest => {
                if self.log.segment_count() > 2 {
                    self.log
                        .delete_oldest_segments(1, self.now_ms)
                        .expect("delete");
                    self.log.checkpoint().expect("checkpoint");
                }
            }
            Operation::FindTime { at } => self.find_time(*at),
            Operation::Release => self.log.release_files().expect("release"),
            Operation::CloseAndReopen => {
                self.log.close(true).expect("close");
                self.reopen(true);
                self.compare();
            }
            Operation::KillAndReopen => {
                self.disk.kill();
                self.reopen(false);
                self.compare();
            }
            Operation::Crash { seed } => {
                let synced_offset = self.log.synced_offset();
                self.disk.crash(if seed.is_multiple_of(4) {
                    Crash::KeepSynced
                } else {
                    Crash::KeepSome { seed: *seed }
                });
                self.reopen(false);
                assert!(self.log.log_end_offset() >= synced_offset);
                self.forget_lost();
                // Of what was not synced a power loss may keep any part: where offsets may be missing, a later segment without an earlier.
                let kept = keyed_records(&mut self.log);
                self.records
                    .retain(|record| record.offset < synced_offset || kept.contains(record));
                self.compare();
            }
        }
        for path in self.log.take_due_deletions(self.now_ms) {
            self.disk.remove_file(&path).expect("remove");
        }
    }

    fn append(&mut self, records: &[(u8, Option<u8>)]) {
        self.now_ms += 7;
        let pairs: Vec<(String, Option<String>)> = records
            .iter()
            .map(|(key, bytes)| {
                let value = bytes.map(|bytes| {
                    let fill = "v".repeat(usize::from(bytes));
                    format!("{fill}{}", self.log.log_end_offset())
                });
                (format!("key-{key}"), value)
            })
            .collect();
        let borrowed: Vec<(&str, Option<&str>)> = pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_deref()))
            .collect();
        let base_offset = append_one(&mut self.log, keyed_batch(&borrowed, self.now_ms));
        for (offset, (key, value)) in (base_offset..).zip(pairs) {
            self.records.push(KeyedRecord {
                offset,
                timestamp: self.now_ms,
                key: key.into_bytes(),
                value: value.map(String::into_bytes),
            });
        }
    }

    fn clean(&mut self, map_keys: u8, meanwhile: Option<&Operation>) {
        let limits = CompactionLimits {
            dedupe_buffer_bytes: usize::from(map_keys) * 24,
            ..limits()
        };
        self.log.sync().expect("sync");
        let stable_offset = self.log.log_end_offset();
        let dirtiness = self
            .log
            .dirtiness(self.cleaned_offset, stable_offset, self.now_ms)
            .expect("readable");
        self.cleaned_max = self.cleaned_max.max(dirtiness.first_uncleanable_offset);
        let mut compaction = self
            .log
            .begin_compaction(&dirtiness, HashMap::new(), limits, self.now_ms)
            .expect("begin");
        let mut go_on = |_| ControlFlow::Continue(());
        let mut pace = Pace(&mut go_on);
        let mut meanwhile = meanwhile;
        let cleaned = compaction.index(&mut pace).and_then(|()| {
            while let Some(replacement) = compaction.clean_next(&mut pace)? {
                if let Some(operation) = meanwhile.take() {
                    self.apply(operation);
                }
                self.log.replace_segments(replacement, self.now_ms)?;
                compaction.settle()?;
            }
            Ok(())
        });
        match cleaned {
            // As the broker: only a cleaning that got through is noted.
            Ok(()) => {
                let cleaned = compaction.finish();
                if dirtiness.cleanable_bytes > 0 {
                    self.cleaned_offset = Some(cleaned.first_dirty_offset);
                }
            }
            Err(error) => assert!(
                matches!(error, CompactionError::Aborted) || self.log.has_outdated(&compaction),
                "{error}"
            ),
        }
        self.compare();
    }

    fn find_time(&mut self, at: u16) {
        let timestamp = 1_000 + i64::from(at) * (self.now_ms - 999) / i64::from(u16::MAX);
        let log_start_offset = self.log.log_start_offset();
        let there = keyed_records(&mut self.log);
        let expected = there
            .iter()
            .find(|record| record.timestamp >= timestamp && record.offset >= log_start_offset);
        let found = self.log.offset_for_timestamp(timestamp).expect("lookup");
        assert_eq!(
            found.map(|found| found.offset),
            expected.map(|record| record.offset)
        );
    }

    fn pick(&self, at: u16, low: i64) -> i64 {
        let high = self.log.log_end_offset().max(low);
        low + i64::from(at) * (high - low + 1) / (i64::from(u16::MAX) + 1)
    }

    fn reopen(&mut self, clean_shutdown: bool) {
        let hints = OpenHints {
            clean_shutdown,
            recovery_point: self.log.recovery_point(),
            log_start_offset: self.log.log_start_offset(),
            ..OpenHints::default()
        };
        self.log = open_with(&self.disk, small(), hints);
        let left: Vec<String> = file_names(&self.disk)
            .into_iter()
            .filter(|name| name.ends_with(".swap") || name.ends_with(".cleaned"))
            .collect();
        assert_eq!(left, [""; 0]);
    }

    fn forget_lost(&mut self) {
        let end_offset = self.log.log_end_offset();
        self.records.retain(|record| record.offset < end_offset);
    }

    /// I21.
    fn compare(&mut self) {
        let log_start_offset = self.log.log_start_offset();
        let alive = |record: &KeyedRecord| record.offset >= log_start_offset;
        let expected: Vec<_> = self.records.iter().filter(|r| alive(r)).cloned().collect();
        let mut found = keyed_records(&mut self.log);
        found.retain(alive);
        assert_compaction_of(&expected, &found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        max_shrink_iters: 4_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("seeds"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_compacted_log_agrees_with_a_list_of_records(operations in prop::collection::vec(operation(), 1..90)) {
        let mut model = Model::new();
        for operation in &operations {
            model.apply(operation);
        }
        model.compare();
    }
}
