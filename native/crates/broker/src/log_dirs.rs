//! Owns the log directories of this node: lock, identity, checkpoints, and which partition lies where.
//! Never opens a log.
//! Invariant: a partition lies in one directory; a new one goes where the fewest are.

use crate::shared::lock;
use hashbrown::HashMap;
use millrace_host::disk::Disk;
use millrace_host::disk::posix::PosixDisk;
use millrace_host::entropy;
use millrace_log::{
    DirectoryError, DirectoryIdentity, LogDirectory, OffsetCheckpoint, OpenHints, StorageError,
    Uuid,
};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

const METADATA_TOPIC: &str = "__cluster_metadata";

type Offsets = std::collections::HashMap<(String, i32), i64>;

/// What a partition is checkpointed with.
#[derive(Debug, Clone)]
pub struct CheckpointRow {
    pub topic: Arc<str>,
    pub partition: i32,
    pub recovery_point: i64,
    pub log_start_offset: i64,
    pub high_watermark: i64,
}

pub struct LogDir {
    pub index: u16,
    path: PathBuf,
    pub directory_id: Uuid,
    pub is_clean: bool,
    /// None once closed: then the lock is free for the next owner.
    directory: Mutex<Option<LogDirectory<PosixDisk>>>,
    recovery_points: Offsets,
    log_starts: Offsets,
    high_watermarks: Offsets,
    partitions: AtomicUsize,
    /// Partitions whose deletion has begun but whose name is not free yet.
    leaving: Mutex<Vec<(String, i32)>>,
    left: Condvar,
}

impl std::fmt::Debug for LogDir {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "LogDir({})", self.path.display())
    }
}

impl LogDir {
    pub fn partition_path(&self, topic: &str, partition: i32) -> PathBuf {
        self.path
            .join(millrace_log::partition_directory_name(topic, partition))
    }

    pub fn open_hints(&self, topic: &str, partition: i32) -> OpenHints {
        let key = (topic.to_string(), partition);
        OpenHints {
            clean_shutdown: self.is_clean,
            recovery_point: self.recovery_points.get(&key).copied().unwrap_or(0),
            log_start_offset: self.log_starts.get(&key).copied().unwrap_or(0),
            topic_id: None,
        }
    }

    pub fn high_watermark(&self, topic: &str, partition: i32) -> i64 {
        self.high_watermarks
            .get(&(topic.to_string(), partition))
            .copied()
            .unwrap_or(0)
    }

    /// Waits until the name of a partition that is being deleted is free. Hardly ever has to.
    pub fn wait_for_name(&self, topic: &str, partition: i32) {
        let mut leaving = lock(&self.leaving);
        while leaving
            .iter()
            .any(|(name, index)| name == topic && *index == partition)
        {
            leaving = self
                .left
                .wait(leaving)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Reserves the name of a partition whose directory `delete_partition` will rename.
    pub fn begin_delete(&self, topic: &str, partition: i32) {
        lock(&self.leaving).push((topic.to_string(), partition));
        self.partitions.fetch_sub(1, Ordering::Relaxed);
    }

    /// Renames the directory of a deleted partition; answers where it is now, to be removed later.
    pub fn delete_partition(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<Option<PathBuf>, StorageError> {
        let renamed = match &*lock(&self.directory) {
            Some(directory) => directory.delete_partition(topic, partition, entropy::uuid()),
            None => Ok(None),
        };
        lock(&self.leaving).retain(|(name, index)| !(name == topic && *index == partition));
        self.left.notify_all();
        renamed
    }

    /// Moves a directory out of the way that belongs to an earlier topic of the same name. Its data is kept: that the controller no longer
    /// knows the topic is no reason to destroy anything.
    pub fn set_aside(&self, topic: &str, partition: i32) -> io::Result<()> {
        let path = self.partition_path(topic, partition);
        let unique: String = entropy::uuid()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let aside = format!(
            "{}.{unique}-stray",
            millrace_log::partition_directory_name(topic, partition)
        );
        PosixDisk.rename(&path, &self.path.join(aside))?;
        PosixDisk.sync_dir(&self.path)
    }

    pub fn write_checkpoints(&self, rows: &[CheckpointRow]) -> Result<(), StorageError> {
        let directory = lock(&self.directory);
        let Some(directory) = &*directory else {
            return Ok(());
        };
        let of = |value: fn(&CheckpointRow) -> i64| {
            rows.iter()
                .map(move |row| (&*row.topic, row.partition, value(row)))
        };
        directory.write_checkpoint(
            OffsetCheckpoint::RecoveryPoint,
            of(|row| row.recovery_point),
        )?;
        directory.write_checkpoint(OffsetCheckpoint::LogStart, of(|row| row.log_start_offset))?;
        directory.write_checkpoint(OffsetCheckpoint::Replication, of(|row| row.high_watermark))
    }

    /// Lets go of the lock; with `is_clean` after saying that all is in order.
    pub fn close(&self, is_clean: bool) -> Result<(), StorageError> {
        match lock(&self.directory).take() {
            Some(directory) if is_clean => directory.write_clean_shutdown(-1),
            Some(_) | None => Ok(()),
        }
    }
}

/// All log directories, and where the partitions found at start lie.
#[derive(Debug, Default)]
pub struct LogDirs {
    dirs: Vec<Arc<LogDir>>,
    found: Mutex<HashMap<(String, i32), u16>>,
    deleted: Vec<PathBuf>,
    cluster_id: String,
}

impl LogDirs {
    pub fn open(
        paths: &[PathBuf],
        node_id: i32,
        cluster_id: &str,
    ) -> Result<LogDirs, DirectoryError> {
        let mut dirs = LogDirs {
            cluster_id: cluster_id.to_string(),
            ..LogDirs::default()
        };
        for (index, path) in paths.iter().enumerate() {
            let known_cluster = (!dirs.cluster_id.is_empty()).then(|| dirs.cluster_id.clone());
            let identity = DirectoryIdentity {
                node_id,
                cluster_id: known_cluster,
                new_cluster_id: Uuid(entropy::uuid()).to_string(),
                new_directory_id: Uuid(entropy::uuid()),
            };
            let directory = LogDirectory::open(PosixDisk, path, &identity)?;
            dirs.cluster_id = directory.cluster_id().to_string();
            dirs.add(
                u16::try_from(index).expect("fewer than 2^16 log directories"),
                directory,
            )?;
        }
        Ok(dirs)
    }

    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<LogDir>> {
        self.dirs.iter()
    }

    /// Directories of partitions deleted before the last stop.
    pub fn deleted(&self) -> &[PathBuf] {
        &self.deleted
    }

    /// Where a partition lies, or where a new one should.
    pub fn place(&self, topic: &str, partition: i32) -> &Arc<LogDir> {
        let key = (topic.to_string(), partition);
        if let Some(index) = lock(&self.found).remove(&key) {
            return &self.dirs[usize::from(index)];
        }
        let dir = self
            .dirs
            .iter()
            .min_by_key(|dir| dir.partitions.load(Ordering::Relaxed))
            .expect("there is at least one log directory");
        dir.partitions.fetch_add(1, Ordering::Relaxed);
        dir
    }

    fn add(
        &mut self,
        index: u16,
        directory: LogDirectory<PosixDisk>,
    ) -> Result<(), DirectoryError> {
        let mut partitions = directory.partitions()?;
        // The controller's own log: it lies here, but it is not one of the table's.
        partitions.retain(|partition| partition.topic != METADATA_TOPIC);
        self.deleted.extend(directory.deleted_partitions()?);
        for partition in &partitions {
            lock(&self.found)
                .entry((partition.topic.clone(), partition.partition))
                .or_insert(index);
        }
        let is_clean = directory.clean_shutdown().is_some() || partitions.is_empty();
        self.dirs.push(Arc::new(LogDir {
            index,
            path: directory.path().to_path_buf(),
            directory_id: directory.directory_id(),
            is_clean,
            recovery_points: directory.read_checkpoint(OffsetCheckpoint::RecoveryPoint)?,
            log_starts: directory.read_checkpoint(OffsetCheckpoint::LogStart)?,
            high_watermarks: directory.read_checkpoint(OffsetCheckpoint::Replication)?,
            partitions: AtomicUsize::new(partitions.len()),
            directory: Mutex::new(Some(directory)),
            leaving: Mutex::default(),
            left: Condvar::new(),
        }));
        Ok(())
    }
}
