//! Owns putting a partition's directory in order: what is derived from the log is built anew, and, only when told to, a log is cut before its
//! first damage. Invariant: no byte of a `.log` is given up that is not in a `.bak` beside it first; a directory in use is refused; what is
//! sound is left alone.

use std::io;
use std::path::Path;
use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile, OpenMode};

use crate::error::{Attempt, OpenError, StorageError};
use crate::names::{
    INDEX_SUFFIX, LEADER_EPOCH_CHECKPOINT, LOG_SUFFIX, PARTITION_METADATA, SNAPSHOT_SUFFIX,
    TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, parse_offset_name, segment_path, with_suffix,
};
use crate::segment_files::SegmentFiles;
use crate::verify::{DamagedAt, Severity, VerifyOptions, VerifyReport, verify_partition};
use crate::{Log, LogConfig, OpenHints};

const BACKUP_SUFFIX: &str = ".bak";
const COPY_BYTES: usize = 1024 * 1024;

#[derive(Clone, Debug, Default)]
pub struct RepairOptions {
    pub verify: VerifyOptions,
    /// Cut the log before its first damage.
    pub truncate: bool,
    /// How dense rebuilt indexes are, and whether gaps are allowed.
    pub config: LogConfig,
}

#[derive(Debug)]
pub struct RepairReport {
    pub before: VerifyReport,
    /// None when nothing was changed: all was sound, or the damage would have to be cut off.
    pub after: Option<VerifyReport>,
    /// Files that hold what was cut off, by name.
    pub backups: Vec<String>,
    pub cut_bytes: u64,
}

#[derive(Debug)]
pub enum RepairError {
    Storage(StorageError),
    /// Another process has the directory open.
    Locked,
    Open(OpenError),
}

impl std::fmt::Display for RepairError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RepairError::Storage(error) => error.fmt(formatter),
            RepairError::Locked => write!(formatter, "the directory is in use"),
            RepairError::Open(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for RepairError {}

impl From<StorageError> for RepairError {
    fn from(error: StorageError) -> RepairError {
        RepairError::Storage(error)
    }
}

/// Repairs the partition in `dir`. `lock` is the lock file of the log directory it lies in, if it lies in one.
pub fn repair_partition<D: Disk>(
    disk: &D,
    dir: &Path,
    lock: Option<&Path>,
    options: &RepairOptions,
    now_ms: i64,
) -> Result<RepairReport, RepairError> {
    let _lock = match lock.map(|path| disk.lock(path)).transpose() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(RepairError::Locked),
        result => result.attempt("lock", dir)?,
    };
    let before = verify_partition(disk, dir, options.verify)?;
    let mut report = RepairReport {
        before,
        after: None,
        backups: Vec::new(),
        cut_bytes: 0,
    };
    match report.before.worst() {
        Severity::Note => return Ok(report),
        Severity::Damage if !options.truncate || report.before.first_damage.is_none() => {
            return Ok(report);
        }
        Severity::Damage | Severity::Broken => {}
    }
    let files = SegmentFiles {
        disk: disk.clone(),
        dir: Arc::from(dir),
        suffix: "",
    };
    if let Some(damage) = report.before.first_damage {
        cut(&files, damage, &mut report)?;
    }
    drop_derived(&files, &mut report)?;
    disk.sync_dir(dir).attempt("sync", dir)?;
    let hints = OpenHints {
        clean_shutdown: false,
        recovery_point: 0,
        log_start_offset: options.verify.log_start_offset,
        // Holes are no damage where the topic is or was compacted.
        cleaned_offset: if options.verify.compacted {
            i64::MAX
        } else {
            0
        },
        topic_id: None,
        is_on_disk: false,
    };
    // Checks every batch and writes indexes, transaction indexes and leader epochs anew.
    let opened = Log::open(disk.clone(), dir, options.config.clone(), hints, now_ms);
    opened.map_err(RepairError::Open)?.close(true)?;
    report.after = Some(verify_partition(disk, dir, options.verify)?);
    Ok(report)
}

/// Ends the log before the damage. What is behind it goes into backups, newest first, so that a crash leaves a whole log at any time.
fn cut<D: Disk>(
    files: &SegmentFiles<D>,
    damage: DamagedAt,
    report: &mut RepairReport,
) -> Result<(), StorageError> {
    let mut bases: Vec<i64> = files
        .disk
        .list(&files.dir)
        .attempt("list", &files.dir)?
        .iter()
        .filter_map(|entry| parse_offset_name(&entry.name, LOG_SUFFIX))
        .filter(|base_offset| *base_offset >= damage.segment_base_offset)
        .collect();
    bases.sort_unstable();
    while let Some(base_offset) = bases.pop() {
        let path = segment_path(&files.dir, base_offset, LOG_SUFFIX);
        let file = files.open(&path, OpenMode::Existing)?;
        let len = file.len().attempt("measure", &path)?;
        let keeps = base_offset == damage.segment_base_offset && damage.position > 0;
        let position = if keeps { u64::from(damage.position) } else { 0 };
        report.cut_bytes += len - position;
        let suffix = if keeps {
            format!(".{position}{BACKUP_SUFFIX}")
        } else {
            BACKUP_SUFFIX.to_owned()
        };
        let backup = with_suffix(&path, &suffix);
        if let Some(name) = backup.file_name() {
            report.backups.push(name.to_string_lossy().into_owned());
        }
        if keeps {
            copy_tail(files, &file, position, len, &backup)?;
            files
                .disk
                .sync_dir(&files.dir)
                .attempt("sync", &files.dir)?;
            file.set_len(position).attempt("truncate", &path)?;
            file.sync_data().attempt("sync", &path)?;
        } else {
            files.disk.rename(&path, &backup).attempt("rename", &path)?;
            files
                .disk
                .sync_dir(&files.dir)
                .attempt("sync", &files.dir)?;
        }
    }
    Ok(())
}

fn copy_tail<D: Disk>(
    files: &SegmentFiles<D>,
    from: &D::File,
    mut position: u64,
    end: u64,
    to: &Path,
) -> Result<(), StorageError> {
    let copy = files.open(to, OpenMode::Truncate)?;
    let start = position;
    let mut chunk = vec![0; COPY_BYTES];
    while position < end {
        let wanted =
            usize::try_from(end - position).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
        from.read_exact_at(&mut chunk[..wanted], position)
            .attempt("read", to)?;
        copy.write_all_at(&chunk[..wanted], position - start)
            .attempt("write", to)?;
        position += wanted as u64;
    }
    copy.sync_data().attempt("sync", to)
}

/// Takes away what is wrong and can be built anew. Text that only looks derived is kept beside.
fn drop_derived<D: Disk>(
    files: &SegmentFiles<D>,
    report: &mut RepairReport,
) -> Result<(), StorageError> {
    let mut names: Vec<&str> = report
        .before
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Broken)
        .map(|finding| finding.file.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut backups = Vec::new();
    for name in names {
        let path = files.dir.join(name);
        let is_cache = [
            INDEX_SUFFIX,
            TIME_INDEX_SUFFIX,
            TXN_INDEX_SUFFIX,
            SNAPSHOT_SUFFIX,
        ]
        .iter()
        .any(|suffix| name.ends_with(suffix));
        if is_cache {
            files.remove(&path)?;
        } else if name == LEADER_EPOCH_CHECKPOINT || name == PARTITION_METADATA {
            let backup = with_suffix(&path, BACKUP_SUFFIX);
            files.rename_if_present(&path, &backup)?;
            backups.push(format!("{name}{BACKUP_SUFFIX}"));
        }
    }
    report.backups.append(&mut backups);
    Ok(())
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
