//! Lists of operations, with crashes and reopenings among them, against a plain list of batches.

mod committed;
mod operation;

use std::path::{Path, PathBuf};

use millrace_host::disk::Disk;
use millrace_host::disk::memory::{Crash, MemoryDisk};
use millrace_host::disk::posix::PosixDisk;
use millrace_record::control::end_transaction_batch;
use millrace_record::{BatchHeader, BatchIter};
use proptest::prelude::*;

use operation::{Operation, operation};

use crate::test_log::batch;
use crate::{Log, LogConfig, OpenHints};

/// What may happen to a disk besides being used.
trait World: Disk {
    /// The process is gone, the machine is not.
    fn kill(&self);
    /// The power is gone. False when this disk cannot show that; then it is a kill.
    fn lose_power(&self, seed: u64) -> bool;
    /// What a power loss would take is safe from now on.
    fn sync_everything(&self);
}

impl World for MemoryDisk {
    fn kill(&self) {
        MemoryDisk::kill(self);
    }

    fn lose_power(&self, seed: u64) -> bool {
        self.crash(if seed.is_multiple_of(4) {
            Crash::KeepSynced
        } else {
            Crash::KeepSome { seed }
        });
        true
    }

    fn sync_everything(&self) {
        self.sync_file_system(Path::new("/")).expect("sync");
    }
}

impl World for PosixDisk {
    fn kill(&self) {}

    fn lose_power(&self, _seed: u64) -> bool {
        false
    }

    /// Nothing is ever lost here, and the real call waits for whatever else the machine writes.
    fn sync_everything(&self) {}
}

struct Model<D: World> {
    disk: D,
    dir: PathBuf,
    log: Log<D>,
    batches: Vec<(BatchHeader, Vec<u8>)>,
    log_start_offset: i64,
    log_end_offset: i64,
    epoch: i32,
    now_ms: i64,
    /// What the checkpoint files of the log directory would say.
    recovery_point: i64,
    log_start_checkpoint: i64,
    /// The highest log start ever: below it epochs may be forgotten.
    log_start_max: i64,
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 2_500,
        index_interval_bytes: 200,
        segment_index_bytes: 120,
        segment_ms: 2_000,
        segment_jitter_ms: 100,
        ..LogConfig::default()
    }
}

fn pick(at: u16, low: i64, high: i64) -> i64 {
    low + i64::from(at) * (high - low + 1) / (i64::from(u16::MAX) + 1)
}

impl<D: World> Model<D> {
    fn new(disk: D, dir: &Path) -> Model<D> {
        let log = Log::open(disk.clone(), dir, config(), OpenHints::default(), 0).expect("open");
        Model {
            disk,
            dir: dir.to_path_buf(),
            log,
            batches: Vec::new(),
            log_start_offset: 0,
            log_end_offset: 0,
            epoch: 0,
            now_ms: 0,
            recovery_point: 0,
            log_start_checkpoint: 0,
            log_start_max: 0,
        }
    }

    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Append { batches } => self.append(batches),
            Operation::Roll => self.log.roll(self.now_ms).expect("roll"),
            Operation::Read {
                at,
                max_bytes,
                bound,
                min_one,
            } => {
                let offset = pick(*at, self.log_start_offset, self.log_end_offset);
                let bound = pick(*bound, offset, self.log_end_offset);
                self.read(offset, u32::from(*max_bytes), bound, *min_one);
            }
            Operation::FindTime { at } => self.find_time(pick(*at, -1, self.now_ms + 1)),
            Operation::Truncate { at } => {
                self.truncate(pick(*at, self.log_start_offset, self.log_end_offset))
            }
            Operation::DeleteRecords { at } => {
                let offset = pick(*at, self.log_start_offset, self.log_end_offset);
                self.log
                    .delete_records_before(offset, self.now_ms)
                    .expect("delete");
                self.log_start_offset = offset;
                self.log_start_max = self.log_start_max.max(offset);
                for path in self
                    .log
                    .take_due_deletions(self.now_ms - 1_000 + config().file_delete_delay_ms)
                {
                    self.disk.remove_file(&path).expect("remove");
                }
            }
            Operation::Retain { ms, bytes, at } => {
                let mark = pick(*at, self.log_start_offset, self.log_end_offset);
                self.retain(*ms, i64::from(*bytes), mark);
            }
            Operation::NewEpoch => self.epoch += 1,
            Operation::Snapshot => self
                .log
                .keep_producer_snapshot(self.log_end_offset)
                .expect("snapshot"),
            Operation::Produce {
                producer,
                records,
                is_transactional,
            } => self.produce(i64::from(*producer), *records, *is_transactional),
            Operation::Mark {
                producer,
                is_commit,
            } => {
                let (producer_id, now_ms) = (i64::from(*producer), self.now_ms);
                let marker = end_transaction_batch(producer_id, 0, *is_commit, 1, now_ms);
                self.append_bytes(vec![marker]);
            }
            Operation::ReadCommitted { at, max_bytes } => {
                let offset = pick(*at, self.log_start_offset, self.log_end_offset);
                self.read_committed(offset, u32::from(*max_bytes));
            }
            Operation::Sync => assert_eq!(self.log.sync().expect("sync"), self.log_end_offset),
            Operation::Checkpoint { whole } => {
                if *whole {
                    assert_eq!(
                        self.log.checkpoint().expect("checkpoint"),
                        self.log_end_offset
                    );
                }
                self.recovery_point = self.log.recovery_point();
                self.log_start_checkpoint = self.log_start_offset;
            }
            Operation::Release => self.log.release_files().expect("release"),
            Operation::CloseAndReopen => {
                self.recovery_point = self.log.close(true).expect("close");
                self.log_start_checkpoint = self.log_start_offset;
                self.reopen(true);
                assert_eq!(self.log.open_report().scanned_bytes, 0);
                self.expect_exactly();
            }
            Operation::KillAndReopen => {
                self.disk.kill();
                self.reopen(false);
                assert_eq!(self.log.open_report().truncated_bytes, 0);
                self.expect_exactly();
            }
            Operation::Crash { seed } => {
                let synced = self.log.synced_offset();
                let is_real = self.disk.lose_power(*seed);
                if !is_real {
                    self.disk.kill();
                }
                self.reopen(false);
                if is_real {
                    self.expect_at_least(synced);
                } else {
                    self.expect_exactly();
                }
            }
        }
        assert_eq!(self.log.log_end_offset(), self.log_end_offset);
        assert_eq!(self.log.log_start_offset(), self.log_start_offset);
        assert!(self.log.synced_offset() <= self.log_end_offset);
        assert!(self.log.recovery_point() <= self.log.synced_offset());
    }

    /// Which segments go is for `retention_tests`; here it matters that what stays is what was there.
    fn retain(&mut self, retention_ms: i64, retention_bytes: i64, high_watermark: i64) {
        self.log.set_config(LogConfig {
            retention_ms,
            retention_bytes,
            ..config()
        });
        let expired = self.log.expired_segments(high_watermark, self.now_ms);
        let expired = expired.expect("look");
        if expired > 0 {
            if expired == self.log.segment_count() {
                self.log.roll(self.now_ms).expect("roll");
            }
            let start = self.log.delete_oldest_segments(expired, self.now_ms);
            let start = start.expect("delete");
            assert!((self.log_start_offset..=high_watermark).contains(&start));
            self.log_start_offset = start;
            self.log_start_max = self.log_start_max.max(start);
        }
        self.log.set_config(config());
    }

    fn append(&mut self, batches: &[(u8, u16)]) {
        let mut bytes: Vec<Vec<u8>> = Vec::new();
        for &(records, value_bytes) in batches {
            // Time wanders forward with steps back.
            self.now_ms += i64::from(value_bytes) % 97;
            let timestamps: Vec<i64> = (0..i64::from(records))
                .map(|index| (self.now_ms + index * 3 - i64::from(value_bytes) % 50).max(0))
                .collect();
            bytes.push(batch(&timestamps, usize::from(value_bytes)));
        }
        self.append_bytes(bytes);
    }

    fn append_bytes(&mut self, mut bytes: Vec<Vec<u8>>) {
        let mut slices: Vec<&mut [u8]> = bytes.iter_mut().map(Vec::as_mut_slice).collect();
        let info = self
            .log
            .append(&mut slices, self.epoch, self.now_ms)
            .expect("append");
        assert_eq!(info.base_offset, self.log_end_offset);
        for bytes in bytes {
            let header = BatchHeader::parse(&bytes).expect("header");
            assert_eq!(
                (header.base_offset, header.partition_leader_epoch),
                (self.log_end_offset, self.epoch)
            );
            self.log_end_offset = header.next_offset();
            self.batches.push((header, bytes));
        }
        assert_eq!(info.last_offset + 1, self.log_end_offset);
    }

    fn read(&mut self, offset: i64, max_bytes: u32, bound: i64, min_one: bool) {
        let slice = self
            .log
            .read(offset, max_bytes, bound, min_one)
            .expect("read");
        let first = self
            .batches
            .partition_point(|(header, _)| header.last_offset() < offset);
        let Some(slice) = slice else {
            let readable = self
                .batches
                .get(first)
                .filter(|(header, _)| header.last_offset() < bound);
            assert!(readable.is_none_or(|(_, bytes)| !min_one && bytes.len() > max_bytes as usize));
            return;
        };
        let bytes = slice.to_vec().expect("read");
        let mut index = first;
        for item in BatchIter::new(&bytes) {
            assert!(
                item.expect("whole batches").1 == self.batches[index].1,
                "batch {index} differs"
            );
            index += 1;
        }
        assert!(bytes.len() <= max_bytes as usize || (min_one && index == first + 1));
        assert!(self.batches[index - 1].0.last_offset() < bound);
        assert_eq!(
            slice.next_offset_hint,
            self.batches[index - 1].0.next_offset()
        );
        // It stopped for a reason: the next batch is too large, beyond the bound, or in another segment.
        if let Some((header, next)) = self.batches.get(index) {
            let is_full =
                bytes.len() + next.len() > max_bytes as usize || header.last_offset() >= bound;
            let begins_segment = self
                .log
                .segments
                .iter()
                .any(|segment| segment.base_offset == header.base_offset);
            assert!(is_full || begins_segment);
        }
    }

    fn find_time(&mut self, timestamp: i64) {
        let start = self.log_start_offset;
        let records = self.batches.iter().flat_map(|(_, bytes)| {
            let records = millrace_record::records(bytes).expect("records");
            records
                .iter()
                .map(|record| record.expect("record"))
                .map(|record| (record.offset, record.timestamp))
                .collect::<Vec<_>>()
        });
        let expected = records
            .filter(|&(offset, _)| offset >= start)
            .find(|&(_, found)| found >= timestamp);
        let found = self.log.offset_for_timestamp(timestamp).expect("lookup");
        assert_eq!(found.map(|found| (found.offset, found.timestamp)), expected);
    }

    fn truncate(&mut self, offset: i64) {
        self.log.truncate(offset, self.now_ms).expect("truncate");
        while let Some((header, _)) = self.batches.last() {
            if header.last_offset() < offset {
                break;
            }
            self.log_end_offset = header.base_offset;
            self.batches.pop();
        }
        if self.batches.is_empty() {
            self.log_end_offset = self.log.log_end_offset();
        }
        self.log_start_offset = self.log_start_offset.min(self.log_end_offset);
        // As the caller must.
        self.recovery_point = self.log.recovery_point();
        self.log_start_checkpoint = self.log_start_checkpoint.min(self.log_start_offset);
    }

    fn reopen(&mut self, clean_shutdown: bool) {
        // What a broker does once for all logs of a directory after an unclean stop, and what it does where it cannot.
        let is_on_disk = !clean_shutdown && self.batches.len() % 2 == 1;
        if is_on_disk {
            self.disk.sync_everything();
        }
        let hints = OpenHints {
            clean_shutdown,
            is_on_disk,
            recovery_point: self.recovery_point,
            log_start_offset: self.log_start_checkpoint,
            cleaned_offset: 0,
            topic_id: None,
        };
        self.log =
            Log::open(self.disk.clone(), &self.dir, config(), hints, self.now_ms).expect("open");
        // An unclean stop may forget how far the start had moved, never beyond what it was.
        assert!(self.log.log_start_offset() >= self.log_start_checkpoint);
        assert!(
            self.log.log_start_offset() <= self.log_start_offset.max(self.log_start_checkpoint)
        );
        self.log_start_offset = self.log.log_start_offset();
        if let Some(snapshot) = self.log.read_producer_snapshot(i64::MAX).expect("snapshot") {
            assert!(snapshot.offset <= self.log.log_end_offset());
        }
    }

    fn expect_exactly(&mut self) {
        assert_eq!(self.log.log_end_offset(), self.log_end_offset);
        self.compare_all();
    }

    fn expect_at_least(&mut self, synced: i64) {
        let end = self.log.log_end_offset();
        assert!(
            end >= synced && end <= self.log_end_offset.max(self.log_start_checkpoint),
            "{end} of {synced}"
        );
        self.batches
            .retain(|(header, _)| header.last_offset() < end);
        self.log_end_offset = end;
        self.recovery_point = self.recovery_point.min(end);
        self.compare_all();
    }

    fn compare_all(&mut self) {
        let start = self.log_start_offset;
        let kept = self
            .batches
            .partition_point(|(header, _)| header.last_offset() < start);
        let mut offset = start;
        let mut index = kept;
        while offset < self.log_end_offset {
            let slice = self
                .log
                .read(offset, 2_000, i64::MAX, true)
                .expect("read")
                .expect("data");
            for item in BatchIter::new(&slice.to_vec().expect("read")) {
                assert!(
                    item.expect("whole batches").1 == self.batches[index].1,
                    "batch {index} differs"
                );
                index += 1;
            }
            offset = slice.next_offset_hint;
        }
        assert_eq!(index, self.batches.len());
        self.compare_epochs();
        self.compare_producers();
        let mut offset = start;
        while let Some(next_offset) = self.read_committed(offset, 1_500) {
            offset = next_offset;
        }
    }

    fn compare_epochs(&mut self) {
        let mut starts: Vec<(i32, i64)> = Vec::new();
        for (header, _) in self
            .batches
            .iter()
            .filter(|(header, _)| header.base_offset > self.log_start_max)
        {
            if starts
                .last()
                .is_none_or(|last| last.0 < header.partition_leader_epoch)
            {
                starts.push((header.partition_leader_epoch, header.base_offset));
            }
        }
        for (index, &(epoch, _)) in starts.iter().enumerate() {
            let expected = starts
                .get(index + 1)
                .map_or(self.log_end_offset, |next| next.1);
            let found = self.log.leader_epoch_end_offset(epoch).expect("lookup");
            assert_eq!((found.leader_epoch, found.end_offset), (epoch, expected));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn log_over_memory_agrees_with_a_list_of_batches(operations in prop::collection::vec(operation(), 1..80)) {
        let disk = crate::test_log::memory_disk();
        let mut model = Model::new(disk, Path::new(crate::test_log::DIR));
        for operation in &operations {
            model.apply(operation);
        }
        model.compare_all();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn log_over_the_file_system_agrees_with_a_list_of_batches(operations in prop::collection::vec(operation(), 1..60)) {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut model = Model::new(PosixDisk, &directory.path().join("topic-0"));
        for operation in &operations {
            model.apply(operation);
        }
        model.compare_all();
    }
}
