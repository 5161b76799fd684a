//! Owns checking the indexes of one segment against its batches, as they come by in order.
//! Invariant: each entry is compared with exactly the batch it is about; what is about none is reported.

use std::path::Path;

use millrace_host::disk::{DirEntry, Disk};
use millrace_record::{BatchHeader, records};

use super::{Severity, VerifyReport};
use crate::error::{Attempt, StorageError};
use crate::index_file::{IndexEntry, OffsetEntry, TimeEntry};
use crate::names::{INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX};

type Files<'a, D> = (&'a D, &'a Path, i64);

/// The bytes of a segment's file, and its name; None when there is none.
fn read<D: Disk>(
    (disk, dir, base_offset): Files<'_, D>,
    suffix: &str,
    entries: &[DirEntry],
) -> Result<(String, Option<Vec<u8>>), StorageError> {
    let name = format!("{base_offset:020}{suffix}");
    if !entries.iter().any(|entry| entry.name == name) {
        return Ok((name, None));
    }
    let path = dir.join(&name);
    let bytes = disk.read_file(&path).attempt("read", &path)?;
    Ok((name, Some(bytes)))
}

/// Decodes an index and says whether its entries can be compared at all. Reserved space at the end, which Kafka fills with zeros, is left out.
fn decode<E: IndexEntry>(
    name: &str,
    bytes: Option<Vec<u8>>,
    segment_bytes: u32,
    report: &mut VerifyReport,
) -> Option<Vec<E>> {
    let Some(mut bytes) = bytes else {
        if segment_bytes > 0 {
            report.add(Severity::Broken, name, None, "it is missing");
        }
        return None;
    };
    let whole = bytes.len();
    let used = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    bytes.truncate(used.next_multiple_of(E::BYTES).min(whole));
    if bytes.len() < whole {
        let what = format!("{} bytes of zeros at its end", whole - bytes.len());
        report.add(Severity::Note, name, bytes.len() as u64, what);
    } else if whole % E::BYTES != 0 {
        let what = format!("{whole} bytes are no whole number of entries");
        report.add(Severity::Broken, name, None, what);
        return None;
    }
    Some(bytes.chunks_exact(E::BYTES).map(E::decode).collect())
}

fn first_disorder<E: IndexEntry>(entries: &[E]) -> Option<usize> {
    let disorder = entries
        .windows(2)
        .position(|pair| !pair[0].precedes(pair[1]));
    disorder.map(|index| index + 1)
}

/// An index of the segment, with its name, as far as its entries ascend.
fn load_ascending<D: Disk, E: IndexEntry>(
    files: Files<'_, D>,
    suffix: &str,
    entries: &[DirEntry],
    segment_bytes: u32,
    report: &mut VerifyReport,
) -> Result<(String, Vec<E>), StorageError> {
    let (name, bytes) = read(files, suffix, entries)?;
    let mut index = decode::<E>(&name, bytes, segment_bytes, report).unwrap_or_default();
    if let Some(at) = first_disorder(&index) {
        let position = (at * E::BYTES) as u64;
        report.add(
            Severity::Broken,
            &name,
            position,
            "its entries do not ascend",
        );
        index.truncate(at);
    }
    Ok((name, index))
}

pub(super) struct OffsetIndexCheck {
    name: String,
    base_offset: i64,
    entries: Vec<OffsetEntry>,
    next: usize,
}

impl OffsetIndexCheck {
    pub(super) fn load<D: Disk>(
        files: Files<'_, D>,
        entries: &[DirEntry],
        segment_bytes: u32,
        report: &mut VerifyReport,
    ) -> Result<OffsetIndexCheck, StorageError> {
        let (name, index) =
            load_ascending::<D, OffsetEntry>(files, INDEX_SUFFIX, entries, segment_bytes, report)?;
        Ok(OffsetIndexCheck {
            name,
            base_offset: files.2,
            entries: index,
            next: 0,
        })
    }

    pub(super) fn on_batch(
        &mut self,
        position: u32,
        header: &BatchHeader,
        report: &mut VerifyReport,
    ) {
        while let Some(entry) = self.entries.get(self.next) {
            if entry.position > position {
                return;
            }
            let offset = self.base_offset + i64::from(entry.relative_offset);
            if entry.position < position {
                let what = format!("position {} is not where a batch begins", entry.position);
                self.report(report, what);
            } else if offset != header.last_offset() {
                let what = format!(
                    "offset {offset} is not the last of the batch at position {position}, which is {}",
                    header.last_offset()
                );
                self.report(report, what);
            }
            self.next += 1;
        }
    }

    pub(super) fn finish(&mut self, report: &mut VerifyReport) {
        while let Some(entry) = self.entries.get(self.next) {
            let what = format!("position {} is not where a batch begins", entry.position);
            self.report(report, what);
            self.next += 1;
        }
    }

    fn report(&self, report: &mut VerifyReport, what: String) {
        let position = (self.next * OffsetEntry::BYTES) as u64;
        report.add(Severity::Broken, &self.name, position, what);
    }
}

pub(super) struct TimeIndexCheck {
    name: String,
    base_offset: i64,
    entries: Vec<TimeEntry>,
    next: usize,
    /// Largest timestamp of the batches so far.
    largest: i64,
}

impl TimeIndexCheck {
    pub(super) fn load<D: Disk>(
        files: Files<'_, D>,
        entries: &[DirEntry],
        segment_bytes: u32,
        report: &mut VerifyReport,
    ) -> Result<TimeIndexCheck, StorageError> {
        let (name, index) = load_ascending::<D, TimeEntry>(
            files,
            TIME_INDEX_SUFFIX,
            entries,
            segment_bytes,
            report,
        )?;
        Ok(TimeIndexCheck {
            name,
            base_offset: files.2,
            entries: index,
            next: 0,
            largest: i64::MIN,
        })
    }

    pub(super) fn on_batch(
        &mut self,
        header: &BatchHeader,
        bytes: &[u8],
        report: &mut VerifyReport,
    ) {
        let largest_before = self.largest;
        self.largest = largest_before.max(header.max_timestamp);
        while let Some(entry) = self.entries.get(self.next).copied() {
            let offset = self.base_offset + i64::from(entry.relative_offset);
            if offset > header.last_offset() {
                return;
            }
            let is_right =
                entry.timestamp == header.max_timestamp && entry.timestamp > largest_before;
            if offset == header.last_offset() && is_right {
                // As it should be.
            } else if offset >= header.base_offset
                && is_right
                && has_record(bytes, offset, entry.timestamp)
            {
                // Older releases of Kafka named the record, not the batch.
                let what = format!("offset {offset} is inside of its batch");
                self.report(report, Severity::Note, what);
            } else {
                let what = format!(
                    "{} is not the largest timestamp up to offset {offset}",
                    entry.timestamp
                );
                self.report(report, Severity::Broken, what);
            }
            self.next += 1;
        }
    }

    pub(super) fn finish(&mut self, report: &mut VerifyReport) {
        while let Some(entry) = self.entries.get(self.next) {
            let offset = self.base_offset + i64::from(entry.relative_offset);
            let what = format!("offset {offset} is behind the end of the segment");
            self.report(report, Severity::Broken, what);
            self.next += 1;
        }
    }

    fn report(&self, report: &mut VerifyReport, severity: Severity, what: String) {
        let position = (self.next * TimeEntry::BYTES) as u64;
        report.add(severity, &self.name, position, what);
    }
}

fn has_record(batch: &[u8], offset: i64, timestamp: i64) -> bool {
    records(batch).is_ok_and(|opened| {
        opened
            .iter()
            .flatten()
            .any(|record| record.offset == offset && record.timestamp == timestamp)
    })
}

/// An aborted transaction, as its marker ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aborted {
    pub(super) producer_id: i64,
    /// None when it began before what was seen.
    pub(super) first_offset: Option<i64>,
    pub(super) last_offset: i64,
    pub(super) last_stable_offset: i64,
}

const TXN_ENTRY_BYTES: usize = 34;

pub(super) struct TxnIndexCheck {
    name: String,
    /// None when the file is missing.
    bytes: Option<Vec<u8>>,
    aborted: Vec<Aborted>,
}

impl TxnIndexCheck {
    pub(super) fn load<D: Disk>(
        files: Files<'_, D>,
        entries: &[DirEntry],
        report: &mut VerifyReport,
    ) -> Result<TxnIndexCheck, StorageError> {
        let (name, bytes) = read(files, TXN_INDEX_SUFFIX, entries)?;
        if bytes
            .as_ref()
            .is_some_and(|bytes| bytes.len() % TXN_ENTRY_BYTES != 0)
        {
            report.add(
                Severity::Broken,
                &name,
                None,
                "it is no whole number of entries",
            );
        }
        Ok(TxnIndexCheck {
            name,
            bytes,
            aborted: Vec::new(),
        })
    }

    pub(super) fn on_batch(&mut self, ended: Option<Aborted>) {
        self.aborted.extend(ended);
    }

    /// With `is_exact` every transaction of the segment was seen from its beginning; else only what is certain is held against the index.
    pub(super) fn finish(&mut self, is_exact: bool, report: &mut VerifyReport) {
        let bytes = self.bytes.take();
        let mut missing = self
            .aborted
            .iter()
            .filter(|each| each.first_offset.is_some())
            .count();
        for (index, entry) in bytes
            .iter()
            .flat_map(|bytes| bytes.chunks_exact(TXN_ENTRY_BYTES))
            .enumerate()
        {
            let field =
                |at: usize| i64::from_be_bytes(entry[at..at + 8].try_into().expect("eight bytes"));
            let (producer_id, first, last, stable) = (field(2), field(10), field(18), field(26));
            let position = (index * TXN_ENTRY_BYTES) as u64;
            let found = self
                .aborted
                .iter()
                .find(|each| each.producer_id == producer_id && each.last_offset == last);
            let what = match found {
                _ if entry[..2] != [0, 0] => Some("its version is not 0".to_owned()),
                None if is_exact => Some(format!(
                    "no transaction of producer {producer_id} was aborted at offset {last}"
                )),
                None => None,
                Some(known) => {
                    missing -= usize::from(known.first_offset.is_some());
                    let is_right = known.first_offset.is_none_or(|offset| offset == first)
                        && known.last_stable_offset == stable;
                    (is_exact && !is_right).then(|| {
                        format!("the transaction aborted at offset {last} is described wrongly")
                    })
                }
            };
            if let Some(what) = what {
                report.add(Severity::Broken, &self.name, position, what);
            }
        }
        if is_exact && missing > 0 {
            let what = format!("{missing} aborted transactions are not in it");
            report.add(Severity::Broken, &self.name, None, what);
        }
    }
}
