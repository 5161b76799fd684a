//! Owns checking the files of a log directory itself: identity, clean marker, checkpoints, against what its partitions hold.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use millrace_host::disk::Disk;

use super::{Severity, VerifyReport};
use crate::error::{Attempt, StorageError};
use crate::meta_properties::{self, MetaProperties};
use crate::names::partition_directory_name;
use crate::offset_checkpoint::{
    OffsetCheckpoint, parse_offset_checkpoint, write_offset_checkpoint,
};

/// Where a partition's log begins and ends, as its batches say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionEnds {
    pub topic: String,
    pub partition: i32,
    pub start_offset: i64,
    pub end_offset: i64,
}

/// Checks the files of the directory itself. `partitions` are all that lie in it.
pub fn verify_directory_files<D: Disk>(
    disk: &D,
    dir: &Path,
    partitions: &[PartitionEnds],
) -> Result<VerifyReport, StorageError> {
    let mut report = VerifyReport::default();
    if let Some(text) = read(disk, dir, meta_properties::FILE_NAME)? {
        match MetaProperties::parse(&text) {
            Err(error) => report.add(
                Severity::Broken,
                meta_properties::FILE_NAME,
                None,
                error.to_string(),
            ),
            Ok(meta) if meta.node_id.is_none() || meta.cluster_id.is_none() => report.add(
                Severity::Broken,
                meta_properties::FILE_NAME,
                None,
                "it does not say whose directory this is",
            ),
            Ok(_) => {}
        }
    } else {
        let what = "it is missing: the directory belongs to nobody yet";
        report.add(Severity::Note, meta_properties::FILE_NAME, None, what);
    }
    let ends: HashMap<(&str, i32), &PartitionEnds> = partitions
        .iter()
        .map(|each| ((each.topic.as_str(), each.partition), each))
        .collect();
    for checkpoint in [
        OffsetCheckpoint::RecoveryPoint,
        OffsetCheckpoint::LogStart,
        OffsetCheckpoint::Replication,
    ] {
        let name = checkpoint.file_name();
        let Some(text) = read(disk, dir, name)? else {
            continue;
        };
        let rows = parse_offset_checkpoint(&text).filter(|rows| {
            let offsets = rows
                .iter()
                .map(|row| (row.topic.as_str(), row.partition, row.offset));
            write_offset_checkpoint(offsets).as_bytes() == text
        });
        let Some(rows) = rows else {
            report.add(Severity::Broken, name, None, "it is not a list of offsets");
            continue;
        };
        for row in rows {
            let partition = partition_directory_name(&row.topic, row.partition);
            let Some(known) = ends.get(&(row.topic.as_str(), row.partition)) else {
                let what = format!("{partition} does not lie here");
                report.add(Severity::Broken, name, None, what);
                continue;
            };
            if row.offset > known.end_offset {
                let what = format!(
                    "{partition} is at {}, and its log ends at {}",
                    row.offset, known.end_offset
                );
                report.add(Severity::Broken, name, None, what);
            }
        }
    }
    Ok(report)
}

fn read<D: Disk>(disk: &D, dir: &Path, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
    let path = dir.join(name);
    match disk.read_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.attempt("read", &path).map(Some),
    }
}
