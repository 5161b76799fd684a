//! Owns checking what lies on disk without opening it for use: every batch against its checksum and its neighbours, every index entry against
//! the batch it names, snapshots, checkpoints and the leader-epoch file against the log. Never writes.
//! Invariant: where a log is not compacted, no single changed bit of a segment, its indexes, its snapshots or its leader epochs passes unnoticed.
//!
//! ```text
//! damage   records are lost or not what was written      broken   a file that is rebuilt from the log is wrong or missing
//! note     unusual, and no fault
//! ```

mod batches;
mod directory;
mod indexes;
mod producers;

#[cfg(test)]
#[path = "bit_flip_tests.rs"]
mod bit_flip_tests;

use std::path::Path;

use millrace_host::disk::{DirEntry, Disk, OpenMode};
use millrace_record::{BatchHeader, records};

use crate::error::{Attempt, StorageError};
use crate::leader_epochs::LeaderEpochs;
use crate::names::{
    CLEANED_SUFFIX, DELETED_SUFFIX, INDEX_SUFFIX, LEADER_EPOCH_CHECKPOINT, LOG_SUFFIX,
    PARTITION_METADATA, SWAP_SUFFIX, TEMPORARY_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX,
    parse_offset_name,
};
use crate::partition_metadata::PartitionMetadata;
use batches::{Stop, WholeBatches};
pub use directory::{PartitionEnds, verify_directory_files};
use indexes::{OffsetIndexCheck, TimeIndexCheck, TxnIndexCheck};
use producers::ProducerCheck;

/// A directory with more wrong than this is described by its first faults.
const FINDINGS_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Note,
    Broken,
    Damage,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Broken => "broken",
            Severity::Damage => "damage",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Name within the directory that was checked.
    pub file: String,
    /// Byte in the file.
    pub position: Option<u64>,
    pub what: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    pub findings: Vec<Finding>,
    pub segments: u64,
    pub batches: u64,
    pub records: u64,
    pub bytes: u64,
    /// Base offset of the first segment.
    pub start_offset: i64,
    /// Behind the last good batch.
    pub end_offset: i64,
    /// Where the first damage begins: everything before it, in its segment and the ones before, is sound.
    pub first_damage: Option<DamagedAt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedAt {
    pub segment_base_offset: i64,
    pub position: u32,
}

impl VerifyReport {
    pub fn worst(&self) -> Severity {
        let severities = self.findings.iter().map(|finding| finding.severity);
        severities.max().unwrap_or(Severity::Note)
    }

    pub(crate) fn add(
        &mut self,
        severity: Severity,
        file: impl Into<String>,
        position: impl Into<Option<u64>>,
        what: impl Into<String>,
    ) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                severity,
                file: file.into(),
                position: position.into(),
                what: what.into(),
            });
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// The topic is or was compacted: offsets may have gaps.
    pub compacted: bool,
    /// What lies below is deleted, though its bytes may still be there: nothing else need tell of it any more.
    pub log_start_offset: i64,
}

/// Checks everything in a partition's directory. An error means that it could not be read, not that it is wrong.
pub fn verify_partition<D: Disk>(
    disk: &D,
    dir: &Path,
    options: VerifyOptions,
) -> Result<VerifyReport, StorageError> {
    let mut entries = disk.list(dir).attempt("list", dir)?;
    entries.sort_unstable();
    let mut partition = PartitionCheck {
        disk,
        dir,
        options,
        epochs: EpochCheck::load(disk, dir, &entries, options.log_start_offset)?,
        producers: ProducerCheck::load(disk, dir, &entries)?,
        next_offset: None,
        report: VerifyReport::default(),
    };
    partition.check(&entries)?;
    Ok(partition.report)
}

struct PartitionCheck<'a, D: Disk> {
    disk: &'a D,
    dir: &'a Path,
    options: VerifyOptions,
    epochs: EpochCheck,
    producers: ProducerCheck,
    /// What the next batch continues; None before the first and behind damage.
    next_offset: Option<i64>,
    report: VerifyReport,
}

impl<D: Disk> PartitionCheck<'_, D> {
    fn check(&mut self, entries: &[DirEntry]) -> Result<(), StorageError> {
        self.check_names(entries);
        let segments: Vec<(i64, u64)> = entries
            .iter()
            .filter_map(|entry| Some((parse_offset_name(&entry.name, LOG_SUFFIX)?, entry.len)))
            .collect();
        self.report.start_offset = segments.first().map_or(0, |(base_offset, _)| *base_offset);
        self.report.end_offset = self.report.start_offset;
        for (index, (base_offset, len)) in segments.iter().enumerate() {
            let is_last = index + 1 == segments.len();
            self.check_segment(*base_offset, *len, is_last, entries)?;
        }
        let end_offset = self.report.end_offset;
        self.epochs.finish(end_offset, &mut self.report);
        self.producers.finish(end_offset, &mut self.report);
        if entries.iter().any(|entry| entry.name == PARTITION_METADATA) {
            let path = self.dir.join(PARTITION_METADATA);
            let text = self.disk.read_file(&path).attempt("read", &path)?;
            if PartitionMetadata::parse(&text).is_none() {
                let what = "it does not name a topic id";
                self.report
                    .add(Severity::Broken, PARTITION_METADATA, None, what);
            }
        }
        Ok(())
    }

    /// Leftovers, and files without a segment.
    fn check_names(&mut self, entries: &[DirEntry]) {
        let has_log = |offset: i64| {
            entries
                .iter()
                .any(|entry| parse_offset_name(&entry.name, LOG_SUFFIX) == Some(offset))
        };
        for DirEntry { name, .. } in entries {
            let leftover = [
                (DELETED_SUFFIX, "it waits to be removed"),
                (CLEANED_SUFFIX, "an unfinished compaction left it"),
                (SWAP_SUFFIX, "a finished compaction is about to swap it in"),
                (TEMPORARY_SUFFIX, "an unfinished replacement left it"),
            ];
            if let Some((_, what)) = leftover.iter().find(|(suffix, _)| name.ends_with(suffix)) {
                self.report.add(Severity::Note, name, None, *what);
            }
            let index_of = [INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX]
                .iter()
                .find_map(|suffix| parse_offset_name(name, suffix));
            if index_of.is_some_and(|offset| !has_log(offset)) {
                let what = "there is no segment it belongs to";
                self.report.add(Severity::Broken, name, None, what);
            }
        }
    }

    fn check_segment(
        &mut self,
        base_offset: i64,
        len: u64,
        is_last: bool,
        entries: &[DirEntry],
    ) -> Result<(), StorageError> {
        let name = format!("{base_offset:020}{LOG_SUFFIX}");
        let path = self.dir.join(&name);
        self.report.segments += 1;
        if let Some(expected) = self.next_offset.filter(|expected| *expected != base_offset) {
            self.note_jump(&name, 0, expected, base_offset, base_offset);
        }
        let Some(len) = u32::try_from(len)
            .ok()
            .filter(|len| *len <= i32::MAX as u32)
        else {
            let what = format!("{len} bytes are more than a segment can have");
            self.report.add(Severity::Damage, name, None, what);
            return Ok(());
        };
        let files = (self.disk, self.dir, base_offset);
        let mut offsets = OffsetIndexCheck::load(files, entries, len, &mut self.report)?;
        let mut times = TimeIndexCheck::load(files, entries, len, &mut self.report)?;
        let mut aborted = TxnIndexCheck::load(files, entries, &mut self.report)?;
        let file = self
            .disk
            .open(&path, OpenMode::Existing)
            .attempt("open", &path)?;
        let mut batches = WholeBatches::new(&file, len);
        let mut expected = if self.options.compacted {
            None
        } else {
            Some(base_offset)
        };
        let mut floor = base_offset;
        let mut stopped = None;
        loop {
            match batches.next().attempt("read", &path)? {
                Ok(Some((position, header, bytes))) => {
                    if let Some(reason) =
                        self.fault_of(&header, bytes, base_offset, expected, floor)
                    {
                        stopped = Some((position, reason));
                        break;
                    }
                    self.report.batches += 1;
                    self.report.records += header.record_count.max(0) as u64;
                    offsets.on_batch(position, &header, &mut self.report);
                    times.on_batch(&header, bytes, &mut self.report);
                    self.epochs
                        .on_batch(&name, position, &header, &mut self.report);
                    let ended = self.producers.on_batch(&header, bytes, &mut self.report);
                    aborted.on_batch(ended);
                    floor = header.next_offset();
                    expected = (!self.options.compacted).then_some(floor);
                }
                Ok(None) => break,
                Err(stop) => {
                    stopped = Some((batches.position(), stop_text(&stop, is_last)));
                    break;
                }
            }
        }
        self.report.bytes += u64::from(batches.position());
        self.report.end_offset = self.report.end_offset.max(floor);
        if let Some((position, reason)) = stopped {
            self.report
                .add(Severity::Damage, name, u64::from(position), reason);
            self.report.first_damage.get_or_insert(DamagedAt {
                segment_base_offset: base_offset,
                position,
            });
            // Nothing that was to be compared with the rest can be judged.
            self.next_offset = None;
            self.producers.lose_track();
            return Ok(());
        }
        offsets.finish(&mut self.report);
        times.finish(&mut self.report);
        let lost_track = self.options.compacted || self.producers.has_lost_track();
        aborted.finish(!lost_track, &mut self.report);
        self.next_offset = Some(floor);
        Ok(())
    }

    /// Why a whole batch with a right checksum is wrong all the same.
    fn fault_of(
        &self,
        header: &BatchHeader,
        bytes: &[u8],
        segment_base_offset: i64,
        expected: Option<i64>,
        floor: i64,
    ) -> Option<String> {
        let base_offset = header.base_offset;
        if expected.is_some_and(|expected| expected != base_offset) || base_offset < floor {
            return Some(format!(
                "the batch begins at offset {base_offset}, and {floor} comes next"
            ));
        }
        if header.last_offset_delta < 0
            || header.last_offset() - segment_base_offset > i64::from(i32::MAX)
        {
            return Some(format!(
                "the batch ends at offset {}, which its segment cannot hold",
                header.last_offset()
            ));
        }
        fault_of_records(header, bytes, !self.options.compacted)
    }

    /// A segment that does not continue the one before.
    fn note_jump(&mut self, name: &str, position: u32, expected: i64, found: i64, segment: i64) {
        if found > expected && self.options.compacted {
            return;
        }
        let what = format!("it begins at offset {found}, and {expected} comes next");
        self.report.add(Severity::Damage, name, None, what);
        self.report.first_damage.get_or_insert(DamagedAt {
            segment_base_offset: segment,
            position,
        });
        self.producers.lose_track();
    }
}

fn fault_of_records(header: &BatchHeader, bytes: &[u8], every_offset: bool) -> Option<String> {
    let opened = match records(bytes) {
        Ok(opened) => opened,
        Err(error) => return Some(format!("the batch cannot be unpacked: {error}")),
    };
    let mut count = 0;
    let mut next_offset = header.base_offset;
    for record in &opened {
        let offset = match record {
            Ok(record) => record.offset,
            Err(error) => {
                return Some(format!("record {count} of the batch is malformed: {error}"));
            }
        };
        if offset < next_offset || offset > header.last_offset() {
            return Some(format!(
                "a record has offset {offset} where {next_offset} comes next"
            ));
        }
        next_offset = offset + 1;
        count += 1;
    }
    let is_complete = count == header.record_count
        && (!every_offset || i64::from(count) == i64::from(header.last_offset_delta) + 1);
    (!is_complete).then(|| {
        format!(
            "the batch holds {count} records, its header says {} in {} offsets",
            header.record_count,
            i64::from(header.last_offset_delta) + 1
        )
    })
}

fn stop_text(stop: &Stop, is_last: bool) -> String {
    match stop {
        Stop::Zeros => "nothing but zeros from here on".to_owned(),
        Stop::Bad(error) if is_last => format!("no whole batch from here on: {error}"),
        Stop::Bad(error) => format!("no whole batch from here on, in a closed segment: {error}"),
    }
}

/// The leader-epoch file against the epochs of the batches.
struct EpochCheck {
    file: Option<LeaderEpochs>,
    is_present: bool,
    epoch_before: i32,
    log_start_offset: i64,
}

impl EpochCheck {
    fn load<D: Disk>(
        disk: &D,
        dir: &Path,
        entries: &[DirEntry],
        log_start_offset: i64,
    ) -> Result<EpochCheck, StorageError> {
        let is_present = entries
            .iter()
            .any(|entry| entry.name == LEADER_EPOCH_CHECKPOINT);
        let path = dir.join(LEADER_EPOCH_CHECKPOINT);
        let file = if is_present {
            let text = disk.read_file(&path).attempt("read", &path)?;
            // Written back it must be the same: a changed line break is a changed bit too.
            LeaderEpochs::parse(&text).filter(|epochs| epochs.to_text().as_bytes() == text)
        } else {
            None
        };
        Ok(EpochCheck {
            file,
            is_present,
            epoch_before: -1,
            log_start_offset,
        })
    }

    fn on_batch(
        &mut self,
        segment: &str,
        position: u32,
        header: &BatchHeader,
        report: &mut VerifyReport,
    ) {
        let epoch = header.partition_leader_epoch;
        if epoch < self.epoch_before {
            let what = format!(
                "leader epoch {epoch} comes after epoch {}",
                self.epoch_before
            );
            report.add(Severity::Damage, segment, u64::from(position), what);
        }
        self.epoch_before = self.epoch_before.max(epoch);
        let Some(file) = &self.file else { return };
        let (base_offset, last_offset) = (header.base_offset, header.last_offset());
        match file.epoch_at(base_offset) {
            Some(known) if known != epoch => {
                let what = format!(
                    "offset {base_offset} is of leader epoch {known} there, of {epoch} in its batch"
                );
                report.add(Severity::Broken, LEADER_EPOCH_CHECKPOINT, None, what);
            }
            None if base_offset >= self.log_start_offset => {
                let what = format!("it has no leader epoch for offset {base_offset}");
                report.add(Severity::Broken, LEADER_EPOCH_CHECKPOINT, None, what);
            }
            Some(_) | None => {}
        }
        // What is left of the first epoch begins at the log start offset, wherever in a batch that is.
        if base_offset >= self.log_start_offset
            && file.epoch_at(base_offset) != file.epoch_at(last_offset)
        {
            let what =
                format!("an epoch begins inside of the batch {base_offset} to {last_offset}");
            report.add(Severity::Broken, LEADER_EPOCH_CHECKPOINT, None, what);
        }
    }

    fn finish(&self, end_offset: i64, report: &mut VerifyReport) {
        match &self.file {
            None if self.is_present => {
                let what = "it is not a list of leader epochs";
                report.add(Severity::Broken, LEADER_EPOCH_CHECKPOINT, None, what);
            }
            None if report.batches > 0 => {
                let what = "it is missing";
                report.add(Severity::Broken, LEADER_EPOCH_CHECKPOINT, None, what);
            }
            None => {}
            Some(file) => {
                if file
                    .latest_start_offset()
                    .is_some_and(|start| start > end_offset)
                {
                    let what = format!("an epoch begins behind the end of the log at {end_offset}");
                    report.add(Severity::Broken, LEADER_EPOCH_CHECKPOINT, None, what);
                }
                if report.batches > 0
                    && file
                        .latest_epoch()
                        .is_none_or(|latest| latest < self.epoch_before)
                {
                    let what = format!("leader epoch {} is not in it", self.epoch_before);
                    report.add(Severity::Broken, LEADER_EPOCH_CHECKPOINT, None, what);
                }
            }
        }
    }
}
