//! Owns following producers and their transactions through the batches, and checking producer snapshots against them.
//! Invariant: what it holds is bounded; beyond that, or behind damage, it says so and compares nothing more.

use std::collections::HashMap;
use std::path::Path;

use millrace_host::disk::{DirEntry, Disk};
use millrace_record::control::ControlType;
use millrace_record::{BatchHeader, records};

use super::indexes::Aborted;
use super::{Severity, VerifyReport};
use crate::error::{Attempt, StorageError};
use crate::names::{SNAPSHOT_SUFFIX, parse_offset_name};
use crate::producer_snapshot::{ProducerSnapshotEntry, parse_producer_snapshot};

const PRODUCERS_MAX: usize = 1 << 20;

#[derive(Clone, Copy)]
struct LastBatch {
    epoch: i16,
    last_sequence: i32,
    last_offset: i64,
}

struct Snapshot {
    name: String,
    offset: i64,
    entries: Vec<ProducerSnapshotEntry>,
}

pub(super) struct ProducerCheck {
    /// By offset, the nearest last.
    snapshots: Vec<Snapshot>,
    unreadable: Vec<String>,
    producers: HashMap<i64, LastBatch>,
    open: HashMap<i64, i64>,
    lost_track: bool,
}

impl ProducerCheck {
    pub(super) fn load<D: Disk>(
        disk: &D,
        dir: &Path,
        entries: &[DirEntry],
    ) -> Result<ProducerCheck, StorageError> {
        let mut check = ProducerCheck {
            snapshots: Vec::new(),
            unreadable: Vec::new(),
            producers: HashMap::new(),
            open: HashMap::new(),
            lost_track: false,
        };
        for DirEntry { name, .. } in entries {
            let Some(offset) = parse_offset_name(name, SNAPSHOT_SUFFIX) else {
                continue;
            };
            let path = dir.join(name);
            match parse_producer_snapshot(&disk.read_file(&path).attempt("read", &path)?) {
                Some(entries) => check.snapshots.push(Snapshot {
                    name: name.clone(),
                    offset,
                    entries,
                }),
                None => check.unreadable.push(name.clone()),
            }
        }
        check
            .snapshots
            .sort_unstable_by_key(|snapshot| -snapshot.offset);
        Ok(check)
    }

    pub(super) fn lose_track(&mut self) {
        self.lost_track = true;
        self.producers.clear();
        self.open.clear();
    }

    pub(super) fn has_lost_track(&self) -> bool {
        self.lost_track
    }

    /// Answers the transaction that the batch, if it is a marker, aborted.
    pub(super) fn on_batch(
        &mut self,
        header: &BatchHeader,
        bytes: &[u8],
        report: &mut VerifyReport,
    ) -> Option<Aborted> {
        while self
            .snapshots
            .last()
            .is_some_and(|snapshot| snapshot.offset <= header.base_offset)
        {
            self.check_nearest(report);
        }
        if !header.has_producer_id() || self.lost_track {
            return None;
        }
        if self.producers.len() >= PRODUCERS_MAX {
            self.lose_track();
            return None;
        }
        if header.is_control() {
            return self.on_marker(header, bytes);
        }
        if header.is_transactional() {
            self.open
                .entry(header.producer_id)
                .or_insert(header.base_offset);
        }
        let last = LastBatch {
            epoch: header.producer_epoch,
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
        };
        self.producers.insert(header.producer_id, last);
        None
    }

    fn on_marker(&mut self, header: &BatchHeader, bytes: &[u8]) -> Option<Aborted> {
        let opened = records(bytes).ok()?;
        let record = opened.iter().next()?.ok()?;
        let is_abort = ControlType::of_key(record.key?).ok()? == Some(ControlType::Abort);
        let first_offset = self.open.remove(&header.producer_id);
        // Markers carry no sequence, so they say nothing about the last batch; a new epoch begins a new series.
        self.producers.remove(&header.producer_id);
        is_abort.then(|| Aborted {
            producer_id: header.producer_id,
            first_offset,
            last_offset: header.last_offset(),
            last_stable_offset: self
                .open
                .values()
                .copied()
                .min()
                .unwrap_or(header.next_offset()),
        })
    }

    pub(super) fn finish(&mut self, end_offset: i64, report: &mut VerifyReport) {
        while let Some(snapshot) = self.snapshots.last() {
            if snapshot.offset > end_offset {
                let what = format!("it is of an offset behind the end of the log at {end_offset}");
                report.add(Severity::Broken, snapshot.name.clone(), None, what);
                self.snapshots.pop();
            } else {
                self.check_nearest(report);
            }
        }
        for name in self.unreadable.drain(..) {
            let what = "its checksum or its form is wrong";
            report.add(Severity::Broken, name, None, what);
        }
    }

    /// A producer may be missing, as an idle one expires; what is there must not be older, or other, than the batches.
    fn check_nearest(&mut self, report: &mut VerifyReport) {
        let Some(snapshot) = self.snapshots.pop() else {
            return;
        };
        for entry in &snapshot.entries {
            if entry.last_offset >= snapshot.offset {
                let what = format!(
                    "producer {} has offset {} in a snapshot of {}",
                    entry.producer_id, entry.last_offset, snapshot.offset
                );
                report.add(Severity::Broken, snapshot.name.clone(), None, what);
                continue;
            }
            let Some(last) = self.producers.get(&entry.producer_id) else {
                continue;
            };
            let is_right = entry.last_offset == last.last_offset
                && entry.last_sequence == last.last_sequence
                && entry.producer_epoch == last.epoch;
            // A snapshot that knows less than the batches is one of another time.
            if !is_right {
                let what = format!(
                    "producer {} ended with sequence {} at offset {}, the batches say {} at {}",
                    entry.producer_id,
                    entry.last_sequence,
                    entry.last_offset,
                    last.last_sequence,
                    last.last_offset
                );
                report.add(Severity::Broken, snapshot.name.clone(), None, what);
            }
        }
    }
}
