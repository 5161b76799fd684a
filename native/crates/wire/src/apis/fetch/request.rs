//! Owns reading a Fetch request. The layout is drawn at the head of this folder.

use super::{
    API_KEY, CURRENT_LEADER_EPOCH_SINCE, HIGH_WATERMARK_SINCE, LAST_FETCHED_EPOCH_SINCE,
    LOG_START_OFFSET_SINCE, RACK_SINCE, REPLICA_DIRECTORY_SINCE, REPLICA_STATE_SINCE,
    SESSION_SINCE, VERSION_MAX, VERSION_MIN, is_flexible, topic_by_id,
};
use crate::apis::topic::{PartitionFields, Partitions, TopicArray};
use crate::byte_range::ByteRange;
use crate::error::WireError;
use crate::primitive::{Reader, Uuid, ZERO_UUID};

const CLUSTER_ID_TAG: u32 = 0;
const REPLICA_STATE_TAG: u32 = 1;
const REPLICA_DIRECTORY_TAG: u32 = 0;
const HIGH_WATERMARK_TAG: u32 = 1;

/// A Fetch request, checked whole. Strings are places in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    pub version: i16,
    /// -1 for a consumer. From v15 on out of the replica state.
    pub replica_id: i32,
    /// -1 for not known.
    pub replica_epoch: i64,
    pub max_wait_ms: i32,
    pub min_bytes: i32,
    pub max_bytes: i32,
    /// 0 read uncommitted, 1 read committed.
    pub isolation_level: i8,
    /// 0 for none.
    pub session_id: i32,
    /// -1 for no session, or its last request; 0 for a new one.
    pub session_epoch: i32,
    pub cluster_id: Option<ByteRange>,
    /// Empty where the client named none.
    pub rack_id: ByteRange,
    topics: TopicArray,
    forgotten: TopicArray,
}

/// One partition of a Fetch request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    pub index: i32,
    /// -1 for not known.
    pub current_leader_epoch: i32,
    pub fetch_offset: i64,
    /// -1 for none: no check for divergence.
    pub last_fetched_epoch: i32,
    /// The follower's; -1 from a consumer.
    pub log_start_offset: i64,
    pub partition_max_bytes: i32,
    /// Zero for none.
    pub replica_directory_id: Uuid,
    /// The follower's; i64::MAX where it is too old to tell, -1 where it does not know.
    pub high_watermark: i64,
}

/// A partition an incremental request takes out of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForgottenPartition {
    pub index: i32,
}

impl FetchRequest {
    /// Reads the body at `body_at` (see `RequestHeader::body_at`) of `frame`.
    pub fn parse(frame: &[u8], body_at: usize, version: i16) -> Result<FetchRequest, WireError> {
        if !(VERSION_MIN..=VERSION_MAX).contains(&version) {
            return Err(WireError::UnsupportedVersion {
                api_key: API_KEY,
                api_version: version,
            });
        }
        let mut reader = Reader::new(frame, body_at, is_flexible(version));
        let mut replica_id = if version < REPLICA_STATE_SINCE {
            reader.i32()?
        } else {
            -1
        };
        let mut replica_epoch = -1;
        let max_wait_ms = reader.i32()?;
        let min_bytes = reader.i32()?;
        let max_bytes = reader.i32()?;
        let isolation_level = reader.i8()?;
        let (session_id, session_epoch) = if version >= SESSION_SINCE {
            (reader.i32()?, reader.i32()?)
        } else {
            (0, -1)
        };
        let topics = TopicArray::check::<FetchPartition>(&mut reader, version)?;
        let forgotten = if version >= SESSION_SINCE {
            TopicArray::check::<ForgottenPartition>(&mut reader, version)?
        } else {
            TopicArray::ABSENT
        };
        let rack_id = if version >= RACK_SINCE {
            reader
                .nullable_string_range_checked()?
                .ok_or(WireError::UnexpectedNull)?
        } else {
            ByteRange::default()
        };
        let mut cluster_id = None;
        reader.tagged_fields(|tag, field| {
            match tag {
                CLUSTER_ID_TAG => cluster_id = field.nullable_string_range_checked()?,
                REPLICA_STATE_TAG if version >= REPLICA_STATE_SINCE => {
                    replica_id = field.i32()?;
                    replica_epoch = field.i64()?;
                    field.skip_tagged_fields()?;
                }
                _ => return Ok(false), // a newer client's field
            }
            Ok(true)
        })?;
        Ok(FetchRequest {
            version,
            replica_id,
            replica_epoch,
            max_wait_ms,
            min_bytes,
            max_bytes,
            isolation_level,
            session_id,
            session_epoch,
            cluster_id,
            rack_id,
            topics,
            forgotten,
        })
    }

    #[inline]
    pub fn partition_count(&self) -> usize {
        self.topics.partition_count as usize
    }

    #[inline]
    pub fn forgotten_count(&self) -> usize {
        self.forgotten.partition_count as usize
    }

    /// The partitions in request order, which is the order they are served in. `frame` is the one that was parsed.
    #[inline]
    pub fn partitions<'a>(&self, frame: &'a [u8]) -> Partitions<'a, FetchPartition> {
        self.topics.walk(frame)
    }

    /// The partitions to take out of the session.
    #[inline]
    pub fn forgotten<'a>(&self, frame: &'a [u8]) -> Partitions<'a, ForgottenPartition> {
        self.forgotten.walk(frame)
    }
}

impl PartitionFields for FetchPartition {
    #[inline]
    fn topic_by_id(version: i16) -> bool {
        topic_by_id(version)
    }

    #[inline]
    fn bytes_min(version: i16) -> usize {
        let since = |first: i16, bytes: usize| if version >= first { bytes } else { 0 };
        4 + since(CURRENT_LEADER_EPOCH_SINCE, 4)
            + 8
            + since(LAST_FETCHED_EPOCH_SINCE, 4)
            + since(LOG_START_OFFSET_SINCE, 8)
            + 4
            + usize::from(is_flexible(version))
    }

    #[inline]
    fn read(reader: &mut Reader<'_>, version: i16) -> Result<FetchPartition, WireError> {
        let mut partition = FetchPartition {
            index: reader.i32()?,
            current_leader_epoch: if version >= CURRENT_LEADER_EPOCH_SINCE {
                reader.i32()?
            } else {
                -1
            },
            fetch_offset: reader.i64()?,
            last_fetched_epoch: if version >= LAST_FETCHED_EPOCH_SINCE {
                reader.i32()?
            } else {
                -1
            },
            log_start_offset: if version >= LOG_START_OFFSET_SINCE {
                reader.i64()?
            } else {
                -1
            },
            partition_max_bytes: reader.i32()?,
            replica_directory_id: ZERO_UUID,
            high_watermark: i64::MAX,
        };
        reader.tagged_fields(|tag, field| {
            match tag {
                REPLICA_DIRECTORY_TAG if version >= REPLICA_DIRECTORY_SINCE => {
                    partition.replica_directory_id = field.uuid()?;
                }
                HIGH_WATERMARK_TAG if version >= HIGH_WATERMARK_SINCE => {
                    partition.high_watermark = field.i64()?
                }
                _ => return Ok(false), // a newer client's field
            }
            Ok(true)
        })?;
        Ok(partition)
    }
}

impl PartitionFields for ForgottenPartition {
    #[inline]
    fn topic_by_id(version: i16) -> bool {
        topic_by_id(version)
    }

    #[inline]
    fn bytes_min(_version: i16) -> usize {
        4
    }

    #[inline]
    fn read(reader: &mut Reader<'_>, _version: i16) -> Result<ForgottenPartition, WireError> {
        Ok(ForgottenPartition {
            index: reader.i32()?,
        })
    }
}
