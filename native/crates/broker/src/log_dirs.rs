//! Owns the log directories of this node: lock, identity, checkpoints, and which partition lies where.
//! Never opens a log.
//! Invariants: a partition lies in one directory; a new one goes where the fewest are, one that was here before never begins anew while it may
//! lie in a directory that could not be opened. What a checkpoint says of a partition is handed out
//! until its log is open, and never to another topic of the same name. A directory is called clean only when each of its logs is.

mod found;

use crate::error::BrokerError;
use crate::partition::CheckpointOffsets;
use crate::shared::lock;
use hashbrown::{HashMap, HashSet};
use millrace_host::disk::Disk;
use millrace_host::disk::posix::PosixDisk;
use millrace_host::entropy;
use millrace_log::{
    DirectoryError, DirectoryIdentity, LogDirectory, OffsetCheckpoint, OpenHints, StorageError,
    Uuid,
};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

const METADATA_TOPIC: &str = "__cluster_metadata";

/// What a partition is checkpointed with.
#[derive(Debug, Clone)]
pub struct CheckpointRow {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offsets: CheckpointOffsets,
}

impl CheckpointRow {
    pub fn new(topic: Arc<str>, partition: i32, offsets: CheckpointOffsets) -> CheckpointRow {
        CheckpointRow {
            topic,
            partition,
            offsets,
        }
    }
}

pub struct LogDir {
    pub index: u16,
    path: PathBuf,
    pub directory_id: Uuid,
    pub is_clean: bool,
    /// What an unclean stop left behind was synced since, all of it at once.
    is_on_disk: bool,
    /// Of the registration this node acts under, for the clean marker: Kafka's controller takes a node that comes back with it for one that lost
    /// nothing. -1 until it is registered.
    broker_epoch: AtomicI64,
    /// None once closed: then the lock is free for the next owner.
    directory: Mutex<Option<LogDirectory<PosixDisk>>>,
    /// Partitions that lie here and whose log nobody has opened yet, with what the checkpoints say of them.
    unopened: Mutex<HashMap<(String, i32), CheckpointOffsets>>,
    /// Those of them that were tried in vain.
    unopenable: Mutex<HashSet<(String, i32)>>,
    /// First dirty offsets of compacted logs; the file is written while this is held.
    cleaned: Mutex<HashMap<(String, i32), i64>>,
    partitions: AtomicUsize,
    /// A disk error put something in doubt that lies here: nothing is served from it until the next start.
    is_offline: AtomicBool,
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

    pub fn is_offline(&self) -> bool {
        self.is_offline.load(Ordering::Acquire)
    }

    /// True for the first who says so.
    pub fn take_offline(&self) -> bool {
        !self.is_offline.swap(true, Ordering::AcqRel)
    }

    /// What a partition's log is to be opened with, and its high watermark.
    pub fn open_hints(&self, topic: &str, partition: i32) -> (OpenHints, i64) {
        let key = (topic.to_string(), partition);
        let known = lock(&self.unopened).get(&key).copied().unwrap_or_default();
        let hints = OpenHints {
            clean_shutdown: self.is_clean,
            is_on_disk: self.is_on_disk,
            recovery_point: known.recovery_point,
            log_start_offset: known.log_start_offset,
            cleaned_offset: self.cleaned_offset(topic, partition).unwrap_or(0),
            topic_id: None,
        };
        (hints, known.high_watermark)
    }

    /// The partition's log is open and published: from now on it speaks for itself.
    pub fn on_opened(&self, topic: &str, partition: i32) {
        lock(&self.unopened).remove(&(topic.to_string(), partition));
    }

    /// The partition lies here no more.
    fn forget(&self, topic: &str, partition: i32) {
        lock(&self.unopened).remove(&(topic.to_string(), partition));
        self.partitions.fetch_sub(1, Ordering::Relaxed);
    }

    /// What is to be checkpointed of partitions nobody has opened. To be asked for before the open ones are looked at, so that none falls
    /// between the two.
    pub fn unopened_rows(&self) -> Vec<CheckpointRow> {
        let unopened = lock(&self.unopened);
        let rows = unopened.iter().map(|((topic, partition), offsets)| {
            CheckpointRow::new(Arc::from(topic.as_str()), *partition, *offsets)
        });
        rows.collect()
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

    /// Partitions that lie here and that nobody has opened.
    fn unopened_names(&self) -> Vec<(String, i32)> {
        lock(&self.unopened).keys().cloned().collect()
    }

    /// The cluster has this partition here, but its log cannot be opened: it stays where it is, for whoever mends it.
    pub fn note_unopenable(&self, topic: &str, partition: i32) {
        lock(&self.unopenable).insert((topic.to_string(), partition));
    }

    fn is_unopenable(&self, name: &(String, i32)) -> bool {
        lock(&self.unopenable).contains(name)
    }

    /// A directory that could not be opened: it has its place in the list, and nothing is known of it.
    fn failed(index: u16, path: PathBuf) -> LogDir {
        LogDir {
            is_on_disk: false,
            index,
            path,
            directory_id: Uuid([0; 16]),
            is_clean: true,
            broker_epoch: AtomicI64::new(-1),
            directory: Mutex::new(None),
            unopened: Mutex::default(),
            unopenable: Mutex::default(),
            cleaned: Mutex::default(),
            partitions: AtomicUsize::new(0),
            is_offline: AtomicBool::new(true),
            leaving: Mutex::default(),
            left: Condvar::new(),
        }
    }

    /// Renames the directory of a deleted partition; answers where it is now, to be removed later.
    pub fn delete_partition(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<Option<PathBuf>, StorageError> {
        match &*lock(&self.directory) {
            Some(directory) => directory.delete_partition(topic, partition, entropy::uuid()),
            None => Ok(None),
        }
    }

    /// The name of a deleted partition may be used again: no file and no checkpoint bears it any more.
    pub fn end_delete(&self, topic: &str, partition: i32) {
        lock(&self.leaving).retain(|(name, index)| !(name == topic && *index == partition));
        self.left.notify_all();
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
        // What was checkpointed was of the other topic.
        let key = (topic.to_string(), partition);
        lock(&self.unopened).insert(key, CheckpointOffsets::default());
        self.forget_cleaned_offset(topic, partition)
            .map_err(|error| error.source)?;
        PosixDisk.sync_dir(&self.path)
    }

    /// Below it a compacted log is clean, as far as the checkpoint knows.
    pub fn cleaned_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        lock(&self.cleaned)
            .get(&(topic.to_string(), partition))
            .copied()
    }

    /// Writes the cleaner-offset-checkpoint with the partition's new offset, unless the topic went meanwhile.
    pub fn set_cleaned_offset(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        is_wanted: impl FnOnce() -> bool,
    ) -> Result<(), StorageError> {
        let mut cleaned = lock(&self.cleaned);
        // Asked with the lock held: a topic that is removed has its entry taken away after it said so.
        if !is_wanted() {
            return Ok(());
        }
        cleaned.insert((topic.to_string(), partition), offset);
        self.write_cleaned(&cleaned)
    }

    /// The partition's log is no longer the one the checkpoint spoke of.
    pub fn forget_cleaned_offset(&self, topic: &str, partition: i32) -> Result<(), StorageError> {
        let mut cleaned = lock(&self.cleaned);
        match cleaned.remove(&(topic.to_string(), partition)) {
            Some(_) => self.write_cleaned(&cleaned),
            None => Ok(()),
        }
    }

    fn write_cleaned(&self, cleaned: &HashMap<(String, i32), i64>) -> Result<(), StorageError> {
        match &*lock(&self.directory) {
            Some(directory) => directory.write_checkpoint(
                OffsetCheckpoint::Cleaner,
                cleaned
                    .iter()
                    .map(|((topic, partition), offset)| (topic.as_str(), *partition, *offset)),
            ),
            None => Ok(()),
        }
    }

    /// Replaces the checkpoints: of `unopened` partitions the row counts only if there is none in `rows`.
    pub fn write_checkpoints(
        &self,
        unopened: Vec<CheckpointRow>,
        mut rows: Vec<CheckpointRow>,
    ) -> Result<(), StorageError> {
        rows.extend(unopened);
        let mut seen = HashSet::with_capacity(rows.len());
        rows.retain(|row| seen.insert((Arc::clone(&row.topic), row.partition)));
        let directory = lock(&self.directory);
        let Some(directory) = &*directory else {
            return Ok(());
        };
        let of = |value: fn(&CheckpointOffsets) -> i64| {
            rows.iter()
                .map(move |row| (&*row.topic, row.partition, value(&row.offsets)))
        };
        directory.write_checkpoint(
            OffsetCheckpoint::RecoveryPoint,
            of(|offsets| offsets.recovery_point),
        )?;
        directory.write_checkpoint(
            OffsetCheckpoint::LogStart,
            of(|offsets| offsets.log_start_offset),
        )?;
        directory.write_checkpoint(
            OffsetCheckpoint::Replication,
            of(|offsets| offsets.high_watermark),
        )
    }

    /// Lets go of the lock; with `is_clean` after saying that all is in order. It is not when logs lie here that an unclean stop left behind
    /// and nobody has recovered since.
    pub fn close(&self, is_clean: bool) -> Result<(), StorageError> {
        let is_clean = is_clean && (self.is_clean || lock(&self.unopened).is_empty());
        match lock(&self.directory).take() {
            Some(directory) if is_clean => {
                directory.write_clean_shutdown(self.broker_epoch.load(Ordering::Relaxed))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// All log directories.
#[derive(Debug, Default)]
pub struct LogDirs {
    dirs: Vec<Arc<LogDir>>,
    deleted: Vec<PathBuf>,
    /// Directories that could not be opened, by index, with the reason.
    failures: Vec<(u16, DirectoryError)>,
    cluster_id: String,
    /// Held from looking at the partitions until their checkpoints are written: an older look never replaces a newer one.
    pub checkpointing: Mutex<()>,
}

impl LogDirs {
    /// Opens all that can be opened. As Kafka: one that cannot be read or written is left out, as long as another can; one that is in use, or
    /// another cluster's or node's, is a mistake that nothing is done about before it is mended.
    pub fn open(paths: &[PathBuf], node_id: i32, cluster_id: &str) -> Result<LogDirs, BrokerError> {
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
            let index = u16::try_from(index).expect("fewer than 2^16 log directories");
            let opened = LogDirectory::open(PosixDisk, path, &identity).and_then(|directory| {
                let cluster_id = directory.cluster_id().to_string();
                dirs.add(index, directory)?;
                dirs.cluster_id = cluster_id;
                Ok(())
            });
            match opened {
                Ok(()) => {}
                Err(
                    error @ (DirectoryError::Unwritable(_)
                    | DirectoryError::BadMetaProperties { .. }),
                ) => {
                    dirs.dirs
                        .push(Arc::new(LogDir::failed(index, path.clone())));
                    dirs.failures.push((index, error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if dirs.iter().all(|dir| dir.is_offline()) {
            let (_, first) = dirs.failures.swap_remove(0);
            return Err(first.into());
        }
        dirs.check_nothing_is_there_twice()?;
        Ok(dirs)
    }

    /// Directories that could not be opened, by index, with the reason.
    pub fn failures(&self) -> &[(u16, DirectoryError)] {
        &self.failures
    }

    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<LogDir>> {
        self.dirs.iter()
    }

    pub fn set_broker_epoch(&self, broker_epoch: i64) {
        for dir in &self.dirs {
            dir.broker_epoch.store(broker_epoch, Ordering::Relaxed);
        }
    }

    /// Directories of partitions deleted before the last stop.
    pub fn deleted(&self) -> &[PathBuf] {
        &self.deleted
    }

    /// Whether an unclean stop left a log of this partition behind that nobody has opened since.
    pub fn must_recover(&self, topic: &str, partition: i32) -> bool {
        let key = (topic.to_string(), partition);
        self.dirs
            .iter()
            .any(|dir| !dir.is_clean && lock(&dir.unopened).contains_key(&key))
    }

    /// Where a partition lies, or where a new one should. The answer stays the same until its log is open. One that `is_new` to the cluster
    /// lies nowhere yet; of any other nobody can say while a directory could not be opened: it is taken to lie there.
    pub fn place(&self, topic: &str, partition: i32, is_new: bool) -> &Arc<LogDir> {
        let key = (topic.to_string(), partition);
        let found = self
            .dirs
            .iter()
            .find(|dir| lock(&dir.unopened).contains_key(&key));
        if let Some(dir) = found {
            return dir;
        }
        if let Some((index, _)) = self.failures.first().filter(|_| !is_new) {
            let dir = &self.dirs[usize::from(*index)];
            dir.partitions.fetch_add(1, Ordering::Relaxed);
            return dir;
        }
        let dir = self
            .dirs
            .iter()
            .min_by_key(|dir| (dir.is_offline(), dir.partitions.load(Ordering::Relaxed)))
            .expect("there is at least one log directory");
        dir.partitions.fetch_add(1, Ordering::Relaxed);
        lock(&dir.unopened).insert(key, CheckpointOffsets::default());
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
        let recovery_points = directory.read_checkpoint(OffsetCheckpoint::RecoveryPoint)?;
        let log_starts = directory.read_checkpoint(OffsetCheckpoint::LogStart)?;
        let high_watermarks = directory.read_checkpoint(OffsetCheckpoint::Replication)?;
        let unopened: HashMap<_, _> = partitions
            .iter()
            .map(|partition| {
                let key = (partition.topic.clone(), partition.partition);
                let offsets = CheckpointOffsets {
                    recovery_point: recovery_points.get(&key).copied().unwrap_or(0),
                    log_start_offset: log_starts.get(&key).copied().unwrap_or(0),
                    high_watermark: high_watermarks.get(&key).copied().unwrap_or(0),
                };
                (key, offsets)
            })
            .collect();
        let mut cleaned = directory.read_checkpoint(OffsetCheckpoint::Cleaner)?;
        // A name whose directory is gone may be another topic's next.
        cleaned.retain(|key, _| unopened.contains_key(key));
        let is_clean = directory.clean_shutdown().is_some() || partitions.is_empty();
        // One sync instead of several for each partition. Where that fails, recovery syncs what it finds, and says what is wrong.
        let is_on_disk = !is_clean && directory.sync_file_system().is_ok();
        self.dirs.push(Arc::new(LogDir {
            index,
            path: directory.path().to_path_buf(),
            directory_id: directory.directory_id(),
            is_clean,
            is_on_disk,
            broker_epoch: AtomicI64::new(-1),
            unopened: Mutex::new(unopened),
            unopenable: Mutex::default(),
            cleaned: Mutex::new(cleaned.into_iter().collect()),
            partitions: AtomicUsize::new(partitions.len()),
            directory: Mutex::new(Some(directory)),
            is_offline: AtomicBool::new(false),
            leaving: Mutex::default(),
            left: Condvar::new(),
        }));
        Ok(())
    }
}
