//! Owns the door to verifying and repairing directories nobody has open. Synchronous: one call does one partition.

use crate::convert::{Code, Result, thrown};
use millrace_broker::BrokerError;
use millrace_host::clock;
use millrace_host::disk::posix::PosixDisk;
use millrace_log::{
    LogConfig, RepairError, RepairOptions, VerifyOptions, VerifyReport, repair_partition,
    verify_directory_files, verify_partition,
};
use napi_derive::napi;
use std::path::Path;

#[napi(object)]
pub struct PartitionToVerify {
    pub dir: String,
    pub compacted: bool,
    pub log_start_offset: i64,
}

#[napi(object)]
pub struct PartitionToRepair {
    pub dir: String,
    pub compacted: bool,
    pub log_start_offset: i64,
    /// Cut the log before its first damage.
    pub truncate: bool,
    /// The lock file of the log directory around it.
    pub lock: Option<String>,
    pub index_interval_bytes: u32,
}

#[napi(object)]
pub struct PartitionEnds {
    pub topic: String,
    pub partition: i32,
    pub start_offset: i64,
    pub end_offset: i64,
}

#[napi(object)]
pub struct Finding {
    pub severity: String,
    pub file: String,
    pub position: Option<i64>,
    pub what: String,
}

#[napi(object)]
pub struct Verified {
    pub findings: Vec<Finding>,
    pub segments: i64,
    pub batches: i64,
    pub records: i64,
    pub bytes: i64,
    pub start_offset: i64,
    pub end_offset: i64,
}

#[napi(object)]
pub struct Repaired {
    pub before: Verified,
    /// Undefined when nothing was changed.
    pub after: Option<Verified>,
    pub backups: Vec<String>,
    pub cut_bytes: i64,
}

#[napi(js_name = "verifyPartition")]
pub fn verify(partition: PartitionToVerify) -> Result<Verified, Code> {
    let options = VerifyOptions {
        compacted: partition.compacted,
        log_start_offset: partition.log_start_offset,
    };
    verify_partition(&PosixDisk, Path::new(&partition.dir), options)
        .map(verified)
        .map_err(|error| thrown(BrokerError::new("UNREADABLE", error.to_string())))
}

#[napi(js_name = "verifyDirectoryFiles")]
pub fn verify_files(dir: String, partitions: Vec<PartitionEnds>) -> Result<Verified, Code> {
    let partitions: Vec<_> = partitions
        .into_iter()
        .map(|each| millrace_log::PartitionEnds {
            topic: each.topic,
            partition: each.partition,
            start_offset: each.start_offset,
            end_offset: each.end_offset,
        })
        .collect();
    verify_directory_files(&PosixDisk, Path::new(&dir), &partitions)
        .map(verified)
        .map_err(|error| thrown(BrokerError::new("UNREADABLE", error.to_string())))
}

#[napi(js_name = "repairPartition")]
pub fn repair(partition: PartitionToRepair) -> Result<Repaired, Code> {
    let options = RepairOptions {
        verify: VerifyOptions {
            compacted: partition.compacted,
            log_start_offset: partition.log_start_offset,
        },
        truncate: partition.truncate,
        config: LogConfig {
            compacted: partition.compacted,
            index_interval_bytes: partition.index_interval_bytes,
            ..LogConfig::default()
        },
    };
    let lock = partition.lock.as_deref().map(Path::new);
    let dir = Path::new(&partition.dir);
    let report = repair_partition(&PosixDisk, dir, lock, &options, clock::wall_ms());
    let report = report.map_err(|error| {
        let code = match &error {
            RepairError::Locked => "LOCKED",
            RepairError::Storage(_) => "UNWRITABLE",
            RepairError::Open(_) => "UNREADABLE",
        };
        thrown(BrokerError::new(
            code,
            format!("{}: {error}", dir.display()),
        ))
    })?;
    Ok(Repaired {
        before: verified(report.before),
        after: report.after.map(verified),
        backups: report.backups,
        cut_bytes: signed(report.cut_bytes),
    })
}

fn verified(report: VerifyReport) -> Verified {
    Verified {
        findings: report
            .findings
            .into_iter()
            .map(|finding| Finding {
                severity: finding.severity.name().to_owned(),
                file: finding.file,
                position: finding.position.map(signed),
                what: finding.what,
            })
            .collect(),
        segments: signed(report.segments),
        batches: signed(report.batches),
        records: signed(report.records),
        bytes: signed(report.bytes),
        start_offset: report.start_offset,
        end_offset: report.end_offset,
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
