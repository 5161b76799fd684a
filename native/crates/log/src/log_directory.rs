//! Owns one entry of `log.dirs`: its lock, whose it is, its checkpoints, the clean-shutdown marker, and which partitions lie in it.
//! Invariants: one process at a time; the clean-shutdown marker is removed before anything else is read and written after everything else,
//! so that whatever goes wrong in between counts as unclean.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use millrace_host::disk::{Disk, replace_file_durably};

use crate::Uuid;
use crate::clean_shutdown::{self, CleanShutdown};
use crate::error::{Attempt, StorageError};
use crate::meta_properties::{self, MetaProperties, MetaPropertiesError};
use crate::names::{
    TEMPORARY_SUFFIX, deleted_partition_name, is_deleted_partition_name,
    parse_partition_directory_name, partition_directory_name,
};
use crate::offset_checkpoint::{
    OffsetCheckpoint, parse_offset_checkpoint, write_offset_checkpoint,
};

const LOCK_FILE: &str = ".lock";

/// Who opens the directory.
#[derive(Clone, Debug)]
pub struct DirectoryIdentity {
    pub node_id: i32,
    /// None: take the one that is there, or `new_cluster_id`.
    pub cluster_id: Option<String>,
    /// Given to a directory without one.
    pub new_cluster_id: String,
    /// Given to a directory without one.
    pub new_directory_id: Uuid,
}

#[derive(Debug)]
pub enum DirectoryError {
    /// Another process (or another broker in this one) uses the directory.
    Locked { path: PathBuf },
    /// The directory cannot be created or written.
    Unwritable(StorageError),
    BadMetaProperties {
        path: PathBuf,
        error: MetaPropertiesError,
    },
    OtherCluster {
        path: PathBuf,
        expected: String,
        found: String,
    },
    OtherNode {
        path: PathBuf,
        expected: i32,
        found: i32,
    },
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DirectoryError::Locked { path } => {
                write!(formatter, "{} is in use by another broker", path.display())
            }
            DirectoryError::Unwritable(error) => error.fmt(formatter),
            DirectoryError::BadMetaProperties { path, error } => {
                write!(formatter, "{} cannot be used: {error}", path.display())
            }
            DirectoryError::OtherCluster {
                path,
                expected,
                found,
            } => {
                write!(
                    formatter,
                    "{} belongs to cluster {found}, not {expected}",
                    path.display()
                )
            }
            DirectoryError::OtherNode {
                path,
                expected,
                found,
            } => {
                write!(
                    formatter,
                    "{} belongs to node {found}, not {expected}",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for DirectoryError {}

impl From<StorageError> for DirectoryError {
    fn from(error: StorageError) -> DirectoryError {
        DirectoryError::Unwritable(error)
    }
}

/// A partition's directory found in a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDirectory {
    pub topic: String,
    pub partition: i32,
    pub path: PathBuf,
}

pub struct LogDirectory<D: Disk> {
    disk: D,
    path: PathBuf,
    meta: MetaProperties,
    clean_shutdown: Option<CleanShutdown>,
    _lock: D::Lock,
}

impl<D: Disk> LogDirectory<D> {
    /// Creates the directory if needed, locks it, checks or writes meta.properties, and takes the clean-shutdown marker away.
    pub fn open(
        disk: D,
        path: &Path,
        identity: &DirectoryIdentity,
    ) -> Result<LogDirectory<D>, DirectoryError> {
        disk.create_dir_all(path).attempt("create", path)?;
        let lock_path = path.join(LOCK_FILE);
        let lock = match disk.lock(&lock_path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(DirectoryError::Locked {
                    path: path.to_path_buf(),
                });
            }
            result => result.attempt("lock", &lock_path)?,
        };
        // First of all: a directory that is refused is left as it is.
        let meta = settle_meta(&disk, path, identity)?;
        let clean_shutdown = take_marker(&disk, path)?;
        remove_temporary_files(&disk, path)?;
        Ok(LogDirectory {
            disk,
            path: path.to_path_buf(),
            meta,
            clean_shutdown,
            _lock: lock,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn disk(&self) -> &D {
        &self.disk
    }

    pub fn meta_properties(&self) -> &MetaProperties {
        &self.meta
    }

    pub fn directory_id(&self) -> Uuid {
        self.meta.directory_id.expect("given on open")
    }

    pub fn cluster_id(&self) -> &str {
        self.meta.cluster_id.as_deref().expect("given on open")
    }

    /// What the marker said that was there when the directory was opened; None after an unclean stop (or in a new directory).
    pub fn clean_shutdown(&self) -> Option<CleanShutdown> {
        self.clean_shutdown
    }

    /// Makes everything in the directory survive power loss, whoever wrote it.
    pub fn sync_file_system(&self) -> Result<(), StorageError> {
        self.disk
            .sync_file_system(&self.path)
            .attempt("sync", &self.path)
    }

    pub fn partition_path(&self, topic: &str, partition: i32) -> PathBuf {
        self.path.join(partition_directory_name(topic, partition))
    }

    /// The partitions that lie here, by name; those renamed to be deleted are not among them.
    pub fn partitions(&self) -> Result<Vec<PartitionDirectory>, StorageError> {
        let entries = self.disk.list(&self.path).attempt("list", &self.path)?;
        let mut partitions: Vec<PartitionDirectory> = entries
            .iter()
            .filter(|entry| entry.is_dir)
            .filter_map(|entry| {
                let (topic, partition) = parse_partition_directory_name(&entry.name)?;
                Some(PartitionDirectory {
                    topic: topic.to_owned(),
                    partition,
                    path: self.path.join(&entry.name),
                })
            })
            .collect();
        partitions.sort_unstable_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(partitions)
    }

    /// Partitions whose deletion was begun: their directories may be removed at leisure.
    pub fn deleted_partitions(&self) -> Result<Vec<PathBuf>, StorageError> {
        let entries = self.disk.list(&self.path).attempt("list", &self.path)?;
        let deleted = entries
            .iter()
            .filter(|entry| entry.is_dir && is_deleted_partition_name(&entry.name));
        Ok(deleted.map(|entry| self.path.join(&entry.name)).collect())
    }

    /// First step of deleting a partition: renames its directory, durably, so that its name is free at once. Returns the new path, which the
    /// caller removes after `file.delete.delay.ms`. None when there is no such directory.
    pub fn delete_partition(
        &self,
        topic: &str,
        partition: i32,
        unique: [u8; 16],
    ) -> Result<Option<PathBuf>, StorageError> {
        let from = self.partition_path(topic, partition);
        let to = self
            .path
            .join(deleted_partition_name(topic, partition, unique));
        match self.disk.rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.attempt("rename", &from)?,
        }
        self.disk.sync_dir(&self.path).attempt("sync", &self.path)?;
        Ok(Some(to))
    }

    /// The offsets of a checkpoint. Missing or damaged = empty: then nothing is known of any partition, which is always safe.
    pub fn read_checkpoint(
        &self,
        checkpoint: OffsetCheckpoint,
    ) -> Result<HashMap<(String, i32), i64>, StorageError> {
        let path = self.path.join(checkpoint.file_name());
        let text = match self.disk.read_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
            result => result.attempt("read", &path)?,
        };
        let rows = parse_offset_checkpoint(&text).unwrap_or_default();
        Ok(rows
            .into_iter()
            .map(|row| ((row.topic, row.partition), row.offset))
            .collect())
    }

    /// Replaces a checkpoint, durably.
    pub fn write_checkpoint<'a>(
        &self,
        checkpoint: OffsetCheckpoint,
        rows: impl ExactSizeIterator<Item = (&'a str, i32, i64)>,
    ) -> Result<(), StorageError> {
        let path = self.path.join(checkpoint.file_name());
        replace_file_durably(&self.disk, &path, write_offset_checkpoint(rows).as_bytes())
            .attempt("write", &path)
    }

    /// Says that everything in the directory is in order. The last write of a shutdown.
    pub fn write_clean_shutdown(&self, broker_epoch: i64) -> Result<(), StorageError> {
        let path = self.path.join(clean_shutdown::FILE_NAME);
        replace_file_durably(
            &self.disk,
            &path,
            CleanShutdown { broker_epoch }.to_text().as_bytes(),
        )
        .attempt("write", &path)
    }
}

fn take_marker<D: Disk>(disk: &D, directory: &Path) -> Result<Option<CleanShutdown>, StorageError> {
    let path = directory.join(clean_shutdown::FILE_NAME);
    let text = match disk.read_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.attempt("read", &path)?,
    };
    disk.remove_file(&path).attempt("remove", &path)?;
    disk.sync_dir(directory).attempt("sync", directory)?;
    Ok(Some(CleanShutdown::parse(&text)))
}

/// What a crash in the middle of replacing a checkpoint left.
fn remove_temporary_files<D: Disk>(disk: &D, directory: &Path) -> Result<(), StorageError> {
    for entry in disk.list(directory).attempt("list", directory)? {
        if !entry.is_dir && entry.name.ends_with(TEMPORARY_SUFFIX) {
            let path = directory.join(&entry.name);
            disk.remove_file(&path).attempt("remove", &path)?;
        }
    }
    Ok(())
}

fn settle_meta<D: Disk>(
    disk: &D,
    directory: &Path,
    identity: &DirectoryIdentity,
) -> Result<MetaProperties, DirectoryError> {
    let path = directory.join(meta_properties::FILE_NAME);
    let mut meta = match disk.read_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => MetaProperties::default(),
        result => {
            let text = result.attempt("read", &path)?;
            MetaProperties::parse(&text).map_err(|error| DirectoryError::BadMetaProperties {
                path: path.clone(),
                error,
            })?
        }
    };
    let before = meta.clone();
    let wanted_cluster = identity.cluster_id.as_deref();
    let cluster_id = meta.cluster_id.get_or_insert_with(|| {
        wanted_cluster
            .unwrap_or(&identity.new_cluster_id)
            .to_owned()
    });
    if let Some(expected) = wanted_cluster.filter(|expected| expected != cluster_id) {
        return Err(DirectoryError::OtherCluster {
            path,
            expected: expected.to_owned(),
            found: cluster_id.clone(),
        });
    }
    let found = *meta.node_id.get_or_insert(identity.node_id);
    if found != identity.node_id {
        return Err(DirectoryError::OtherNode {
            path,
            expected: identity.node_id,
            found,
        });
    }
    meta.directory_id.get_or_insert(identity.new_directory_id);
    if meta != before {
        replace_file_durably(disk, &path, meta.to_text().as_bytes()).attempt("write", &path)?;
    }
    Ok(meta)
}

#[cfg(test)]
#[path = "log_directory_tests.rs"]
mod tests;
