//! Owns control records: transaction markers and what KRaft writes into its log and snapshots.
//! Never decides when one is written. Invariant: what `write` makes, `parse` reads back.
//!
//! ```text
//! key    i16 version 0, i16 type
//! value  0 abort, 1 commit   i16 version 0, i32 coordinator epoch
//!        2 leader change     i16 version, i32 leader, [voter], [granting voter], tags; voter: i32 id, v1: uuid directory, tags
//!        3 snapshot header   i16 version, i64 last contained log timestamp, tags
//!        4 snapshot footer   i16 version, tags
//!        5 kraft version     i16 version, i16 kraft version, tags
//!        6 voters            i16 version, [i32 id, uuid directory, [name, host, u16 port, tags], (i16 min, i16 max, tags), tags], tags
//! ```
//! Types 2 to 6 are flexible messages: compact arrays and strings, tagged fields at the end of each struct.

use crate::builder::BatchBuilder;
use crate::cursor::Cursor;
use crate::error::BatchError;
use crate::varint::write_unsigned_varint;

const KEY_VERSION: i16 = 0;
/// LeaderChangeMessage carries directory ids from this version on.
const LEADER_CHANGE_DIRECTORY_VERSION: i16 = 1;

/// The type in a control record's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum ControlType {
    Abort = 0,
    Commit = 1,
    LeaderChange = 2,
    SnapshotHeader = 3,
    SnapshotFooter = 4,
    KraftVersion = 5,
    Voters = 6,
}

impl ControlType {
    /// The type a key names; None for one this version does not know.
    pub fn of_key(key: &[u8]) -> Result<Option<ControlType>, BatchError> {
        let mut fields = Cursor::new(key);
        let (Some(version), Some(id)) = (
            fields.array().map(i16::from_be_bytes),
            fields.array().map(i16::from_be_bytes),
        ) else {
            return Err(BatchError::MalformedControlRecord);
        };
        if version < 0 {
            return Err(BatchError::MalformedControlRecord);
        }
        Ok(match id {
            0 => Some(ControlType::Abort),
            1 => Some(ControlType::Commit),
            2 => Some(ControlType::LeaderChange),
            3 => Some(ControlType::SnapshotHeader),
            4 => Some(ControlType::SnapshotFooter),
            5 => Some(ControlType::KraftVersion),
            6 => Some(ControlType::Voters),
            // Newer brokers may add types; Kafka skips those it does not know.
            _ => None,
        })
    }

    fn key(self) -> [u8; 4] {
        let ([a, b], [c, d]) = (KEY_VERSION.to_be_bytes(), (self as i16).to_be_bytes());
        [a, b, c, d]
    }
}

/// One control record, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    Abort {
        coordinator_epoch: i32,
    },
    Commit {
        coordinator_epoch: i32,
    },
    LeaderChange(LeaderChange),
    SnapshotHeader {
        last_contained_log_timestamp: i64,
    },
    SnapshotFooter,
    KraftVersion {
        kraft_version: i16,
    },
    Voters {
        voters: Vec<Voter>,
    },
    /// A type from a later version of Kafka.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderChange {
    /// 0, or 1 with directory ids.
    pub version: i16,
    pub leader_id: i32,
    pub voters: Vec<VoterKey>,
    pub granting_voters: Vec<VoterKey>,
}

/// A voter's identity. The directory id is zero where the version has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoterKey {
    pub id: i32,
    pub directory_id: [u8; 16],
}

/// A voter and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub id: i32,
    pub directory_id: [u8; 16],
    pub endpoints: Vec<VoterEndpoint>,
    pub kraft_version_min: i16,
    pub kraft_version_max: i16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterEndpoint {
    pub name: String,
    pub host: String,
    pub port: u16,
}

impl ControlRecord {
    /// Reads key and value of a record of a control batch.
    pub fn parse(key: &[u8], value: &[u8]) -> Result<ControlRecord, BatchError> {
        let Some(control_type) = ControlType::of_key(key)? else {
            return Ok(ControlRecord::Unknown);
        };
        parse_value(control_type, &mut Cursor::new(value)).ok_or(BatchError::MalformedControlRecord)
    }

    fn control_type(&self) -> ControlType {
        match self {
            ControlRecord::Abort { .. } => ControlType::Abort,
            ControlRecord::Commit { .. } => ControlType::Commit,
            ControlRecord::LeaderChange(_) => ControlType::LeaderChange,
            ControlRecord::SnapshotHeader { .. } => ControlType::SnapshotHeader,
            ControlRecord::SnapshotFooter => ControlType::SnapshotFooter,
            ControlRecord::KraftVersion { .. } => ControlType::KraftVersion,
            ControlRecord::Voters { .. } => ControlType::Voters,
            ControlRecord::Unknown => panic!("an unknown control record is only ever read"),
        }
    }

    /// The record's key and value.
    pub fn write(&self) -> ([u8; 4], Vec<u8>) {
        let mut value = Vec::new();
        write_value(self, &mut value);
        (self.control_type().key(), value)
    }
}

/// The batch that ends a producer's transaction in one partition.
pub fn end_transaction_batch(
    producer_id: i64,
    producer_epoch: i16,
    commit: bool,
    coordinator_epoch: i32,
    timestamp: i64,
) -> Vec<u8> {
    let record = match commit {
        true => ControlRecord::Commit { coordinator_epoch },
        false => ControlRecord::Abort { coordinator_epoch },
    };
    let (key, value) = record.write();
    let mut builder = BatchBuilder::new();
    builder
        .producer(producer_id, producer_epoch, crate::NO_SEQUENCE)
        .transactional()
        .control();
    builder.append(timestamp, Some(&key), Some(&value), &[]);
    builder.build()
}

/// What a control batch of a transaction says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionMarker {
    pub is_commit: bool,
    pub coordinator_epoch: i32,
}

/// Reads the marker of a control batch. None when the batch is no control batch, or one that decides no transaction.
pub fn transaction_marker(batch: &[u8]) -> Option<TransactionMarker> {
    let records = crate::records(batch).ok()?;
    let header = records.header();
    if !header.is_control() || !header.has_producer_id() {
        return None;
    }
    let record = records.iter().next()?.ok()?;
    match ControlRecord::parse(record.key?, record.value?).ok()? {
        ControlRecord::Commit { coordinator_epoch } => Some(TransactionMarker {
            is_commit: true,
            coordinator_epoch,
        }),
        ControlRecord::Abort { coordinator_epoch } => Some(TransactionMarker {
            is_commit: false,
            coordinator_epoch,
        }),
        ControlRecord::LeaderChange(_)
        | ControlRecord::SnapshotHeader { .. }
        | ControlRecord::SnapshotFooter
        | ControlRecord::KraftVersion { .. }
        | ControlRecord::Voters { .. }
        | ControlRecord::Unknown => None,
    }
}

/// A control batch of a KRaft log or snapshot.
pub fn control_batch(
    base_offset: i64,
    leader_epoch: i32,
    timestamp: i64,
    records: &[ControlRecord],
) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder
        .base_offset(base_offset)
        .leader_epoch(leader_epoch)
        .control();
    for record in records {
        let (key, value) = record.write();
        builder.append(timestamp, Some(&key), Some(&value), &[]);
    }
    builder.build()
}

fn parse_value(control_type: ControlType, fields: &mut Cursor<'_>) -> Option<ControlRecord> {
    let version = i16::from_be_bytes(fields.array()?);
    if version < 0 {
        return None;
    }
    Some(match control_type {
        ControlType::Abort => ControlRecord::Abort {
            coordinator_epoch: i32::from_be_bytes(fields.array()?),
        },
        ControlType::Commit => ControlRecord::Commit {
            coordinator_epoch: i32::from_be_bytes(fields.array()?),
        },
        ControlType::LeaderChange => {
            let leader_id = i32::from_be_bytes(fields.array()?);
            let voters = parse_voter_keys(version, fields)?;
            let granting_voters = parse_voter_keys(version, fields)?;
            fields.skip_tags()?;
            ControlRecord::LeaderChange(LeaderChange {
                version,
                leader_id,
                voters,
                granting_voters,
            })
        }
        ControlType::SnapshotHeader => {
            let last_contained_log_timestamp = i64::from_be_bytes(fields.array()?);
            fields.skip_tags()?;
            ControlRecord::SnapshotHeader {
                last_contained_log_timestamp,
            }
        }
        ControlType::SnapshotFooter => {
            fields.skip_tags()?;
            ControlRecord::SnapshotFooter
        }
        ControlType::KraftVersion => {
            let kraft_version = i16::from_be_bytes(fields.array()?);
            fields.skip_tags()?;
            ControlRecord::KraftVersion { kraft_version }
        }
        ControlType::Voters => {
            // id, directory, one-byte empty endpoint array, versions and their tags, tags
            let count = fields.compact_count(4 + 16 + 1 + 5 + 1)?;
            let voters = (0..count)
                .map(|_| parse_voter(fields))
                .collect::<Option<Vec<_>>>()?;
            fields.skip_tags()?;
            ControlRecord::Voters { voters }
        }
    })
}

fn parse_voter_keys(version: i16, fields: &mut Cursor<'_>) -> Option<Vec<VoterKey>> {
    let with_directory = version >= LEADER_CHANGE_DIRECTORY_VERSION;
    let count = fields.compact_count(if with_directory { 4 + 16 + 1 } else { 4 + 1 })?;
    let read = |_| {
        let id = i32::from_be_bytes(fields.array()?);
        let directory_id = if with_directory {
            fields.array()?
        } else {
            [0; 16]
        };
        fields.skip_tags()?;
        Some(VoterKey { id, directory_id })
    };
    (0..count).map(read).collect()
}

fn parse_voter(fields: &mut Cursor<'_>) -> Option<Voter> {
    let id = i32::from_be_bytes(fields.array()?);
    let directory_id = fields.array()?;
    let endpoint_count = fields.compact_count(1 + 1 + 2 + 1)?;
    let endpoints = (0..endpoint_count)
        .map(|_| parse_endpoint(fields))
        .collect::<Option<Vec<_>>>()?;
    let kraft_version_min = i16::from_be_bytes(fields.array()?);
    let kraft_version_max = i16::from_be_bytes(fields.array()?);
    fields.skip_tags()?;
    fields.skip_tags()?;
    Some(Voter {
        id,
        directory_id,
        endpoints,
        kraft_version_min,
        kraft_version_max,
    })
}

fn parse_endpoint(fields: &mut Cursor<'_>) -> Option<VoterEndpoint> {
    let name = fields.compact_string()?.to_owned();
    let host = fields.compact_string()?.to_owned();
    let port = u16::from_be_bytes(fields.array()?);
    fields.skip_tags()?;
    Some(VoterEndpoint { name, host, port })
}

fn write_value(record: &ControlRecord, out: &mut Vec<u8>) {
    let version = match record {
        ControlRecord::LeaderChange(change) => change.version,
        _ => 0, // every other type has had one version
    };
    out.extend_from_slice(&version.to_be_bytes());
    match record {
        ControlRecord::Abort { coordinator_epoch }
        | ControlRecord::Commit { coordinator_epoch } => {
            // The two markers are the only ones without tagged fields.
            out.extend_from_slice(&coordinator_epoch.to_be_bytes());
            return;
        }
        ControlRecord::LeaderChange(change) => {
            out.extend_from_slice(&change.leader_id.to_be_bytes());
            write_voter_keys(version, &change.voters, out);
            write_voter_keys(version, &change.granting_voters, out);
        }
        ControlRecord::SnapshotHeader {
            last_contained_log_timestamp,
        } => {
            out.extend_from_slice(&last_contained_log_timestamp.to_be_bytes());
        }
        ControlRecord::SnapshotFooter => {}
        ControlRecord::KraftVersion { kraft_version } => {
            out.extend_from_slice(&kraft_version.to_be_bytes())
        }
        ControlRecord::Voters { voters } => {
            write_compact_len(voters.len(), out);
            for voter in voters {
                write_voter(voter, out);
            }
        }
        ControlRecord::Unknown => panic!("an unknown control record is only ever read"),
    }
    write_no_tags(out);
}

fn write_voter_keys(version: i16, voters: &[VoterKey], out: &mut Vec<u8>) {
    write_compact_len(voters.len(), out);
    for voter in voters {
        out.extend_from_slice(&voter.id.to_be_bytes());
        if version >= LEADER_CHANGE_DIRECTORY_VERSION {
            out.extend_from_slice(&voter.directory_id);
        }
        write_no_tags(out);
    }
}

fn write_voter(voter: &Voter, out: &mut Vec<u8>) {
    out.extend_from_slice(&voter.id.to_be_bytes());
    out.extend_from_slice(&voter.directory_id);
    write_compact_len(voter.endpoints.len(), out);
    for endpoint in &voter.endpoints {
        for text in [&endpoint.name, &endpoint.host] {
            write_compact_len(text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&endpoint.port.to_be_bytes());
        write_no_tags(out);
    }
    out.extend_from_slice(&voter.kraft_version_min.to_be_bytes());
    out.extend_from_slice(&voter.kraft_version_max.to_be_bytes());
    write_no_tags(out);
    write_no_tags(out);
}

/// Compact lengths count one more, so that 0 can mean null.
fn write_compact_len(len: usize, out: &mut Vec<u8>) {
    write_unsigned_varint(
        u32::try_from(len + 1).expect("a control record is small"),
        out,
    );
}

fn write_no_tags(out: &mut Vec<u8>) {
    out.push(0);
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
