//! Owns handing a log over to a broker. Never changes a record. Invariant: what the broker opens was closed in order; until `finish_adoption`
//! the log is still an embedded one, and adopting it again is the same.

use std::io;
use std::path::Path;

use millrace_host::clock;
use millrace_host::disk::Disk;
use millrace_host::disk::posix::PosixDisk;
use millrace_log::{Log, LogConfig};

use crate::checkpoint::{CHECKPOINT_FILE, Checkpoint};
use crate::error::StoreError;
use crate::store::{LOCK_FILE, lock_file};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdoptedLog {
    pub log_start_offset: i64,
    pub log_end_offset: i64,
}

/// Recovers the log if its last writer did not close it, so that a broker may open it. The caller holds the lock of the data directory.
/// None when the directory holds no embedded log; LOCKED while one is open for writing.
pub fn adopt(dir: &Path) -> Result<Option<AdoptedLog>, StoreError> {
    let disk = PosixDisk;
    if Checkpoint::read(&disk, dir)?.is_none() {
        return Ok(None);
    }
    let _lock = lock_file(&dir.join(LOCK_FILE))?;
    let Some(found) = Checkpoint::read(&disk, dir)? else {
        return Ok(None);
    };
    let mut log = Log::open(
        disk,
        dir,
        LogConfig::default(),
        found.open_hints(),
        clock::wall_ms(),
    )?;
    let adopted = AdoptedLog {
        log_start_offset: log.log_start_offset(),
        log_end_offset: log.log_end_offset(),
    };
    let recovery_point = log.close(true)?;
    let closed = Checkpoint {
        is_clean: true,
        recovery_point,
        log_start_offset: adopted.log_start_offset,
    };
    closed.write(&disk, dir)?;
    Ok(Some(adopted))
}

/// The broker has the log: it is an embedded one no more.
pub fn finish_adoption(dir: &Path) -> Result<(), StoreError> {
    for name in [CHECKPOINT_FILE, LOCK_FILE] {
        let path = dir.join(name);
        match PosixDisk.remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &path, &error));
            }
            _ => {}
        }
    }
    PosixDisk
        .sync_dir(dir)
        .map_err(|error| StoreError::io("sync", dir, &error))
}
