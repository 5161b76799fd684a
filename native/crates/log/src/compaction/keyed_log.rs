//! What the tests of compaction share: keyed batches, a whole cleaning in one call, and what a reader of the log would know.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use millrace_host::disk::Disk;
use millrace_host::disk::memory::MemoryDisk;
use millrace_record::{BatchBuilder, BatchIter, records};

use super::*;
use crate::test_log::{append_one, open, small_config};
use crate::{Log, LogConfig};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyedRecord {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// A batch of `(key, value)` pairs at `timestamp`; no value is a tombstone.
pub(crate) fn keyed_batch(pairs: &[(&str, Option<&str>)], timestamp: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    for (key, value) in pairs {
        builder.append(
            timestamp,
            Some(key.as_bytes()),
            value.map(str::as_bytes),
            &[],
        );
    }
    builder.build()
}

pub(crate) fn limits() -> CompactionLimits {
    CompactionLimits {
        dedupe_buffer_bytes: 1 << 20,
        load_factor: 0.9,
        io_buffer_bytes: 700,
        hash_seed: 42,
    }
}

/// Cleans the log once, to its end, and returns the offset for the checkpoint.
pub(crate) fn clean<D: Disk>(
    log: &mut Log<D>,
    cleaned_offset: Option<i64>,
    producers: &HashMap<i64, ProducerTail>,
    limits: CompactionLimits,
    now_ms: i64,
) -> Result<Cleaned, CompactionError> {
    log.sync()?;
    let stable = log.log_end_offset();
    let dirtiness = log.dirtiness(cleaned_offset, stable, now_ms)?;
    let mut compaction = log.begin_compaction(&dirtiness, producers.clone(), limits, now_ms)?;
    let mut go_on = |_| ControlFlow::Continue(());
    let mut pace = Pace(&mut go_on);
    compaction.index(&mut pace)?;
    while let Some(replacement) = compaction.clean_next(&mut pace)? {
        log.replace_segments(replacement, now_ms)?;
        compaction.settle()?;
    }
    Ok(compaction.finish())
}

pub(crate) fn clean_all<D: Disk>(log: &mut Log<D>, now_ms: i64) -> Cleaned {
    clean(log, None, &HashMap::new(), limits(), now_ms).expect("cleaned")
}

/// Every record with a key, in the order of the log.
pub(crate) fn keyed_records<D: Disk>(log: &mut Log<D>) -> Vec<KeyedRecord> {
    let mut found = Vec::new();
    let mut offset = log.log_start_offset();
    // The end of the log may be a hole.
    while let Some(slice) = log.read(offset, 1_000, i64::MAX, true).expect("read") {
        let bytes = slice.to_vec().expect("read");
        for item in BatchIter::new(&bytes) {
            let opened = records(item.expect("whole batches").1).expect("records");
            if opened.header().is_control() {
                continue;
            }
            for record in &opened {
                let record = record.expect("record");
                found.push(KeyedRecord {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key.expect("a key").to_vec(),
                    value: record.value.map(<[u8]>::to_vec),
                });
            }
        }
        offset = slice.next_offset_hint;
    }
    found
}

/// The newest value of every key; a tombstone and no record at all are the same to a reader from the start.
pub(crate) fn newest_values(records: &[KeyedRecord]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut newest = BTreeMap::new();
    for record in records {
        match &record.value {
            Some(value) => newest.insert(record.key.clone(), value.clone()),
            None => newest.remove(&record.key),
        };
    }
    newest
}

/// I21: the newest value of every key is what it was, and no record moved, changed or appeared.
pub(crate) fn assert_compaction_of(before: &[KeyedRecord], after: &[KeyedRecord]) {
    assert_eq!(newest_values(before), newest_values(after));
    let mut rest = before.iter();
    for record in after {
        assert!(
            rest.any(|candidate| candidate == record),
            "record {record:?} was not there before"
        );
    }
}

/// Small segments.
pub(crate) fn config() -> LogConfig {
    LogConfig {
        compacted: true,
        ..small_config()
    }
}

/// Writes `count` batches of two records over `keys` keys; every 17th value is a tombstone.
pub(crate) fn write<D: Disk>(log: &mut Log<D>, count: i64, keys: i64) {
    for _ in 0..count {
        let number = log.log_end_offset();
        let pair = |number: i64| {
            let value = (number % 17 != 0).then(|| format!("value of {number}"));
            (format!("key-{}", number * 31 % keys), value)
        };
        let (first, second) = (pair(number), pair(number + 1));
        append_one(
            log,
            keyed_batch(
                &[
                    (&first.0, first.1.as_deref()),
                    (&second.0, second.1.as_deref()),
                ],
                1_000 + number,
            ),
        );
    }
}

pub(crate) fn filled(disk: &MemoryDisk, keys: i64) -> Log<MemoryDisk> {
    let mut log = open(disk, config());
    write(&mut log, 200, keys);
    log
}
