//! Owns Fetch (key 1), versions 4 to 18.
//!
//! ```text
//! request   i32 replica id (v0-14), i32 max wait ms, i32 min bytes, i32 max bytes, i8 isolation level,
//!           i32 session id (v7), i32 session epoch (v7), [topic], [forgotten topic] (v7), string rack id (v11),
//!           tag 0 (v12): nullable string cluster id, tag 1 (v15): i32 replica id, i64 replica epoch
//!   topic      string name (v0-12) | uuid id (v13), [partition]
//!   partition  i32 index, i32 current leader epoch (v9), i64 fetch offset, i32 last fetched epoch (v12),
//!              i64 log start offset (v5), i32 partition max bytes, tag 0 (v17): uuid replica directory,
//!              tag 1 (v18): i64 high watermark
//!   forgotten  string name | uuid id, [i32 index]
//! response  i32 throttle ms, i16 error (v7), i32 session id (v7), [topic], tag 0 (v16): [node endpoint]
//!   topic      string name | uuid id, [partition]
//!   partition  i32 index, i16 error, i64 high watermark, i64 last stable offset, i64 log start offset (v5),
//!              nullable [i64 producer id, i64 first offset], i32 preferred read replica (v11), nullable bytes records,
//!              tag 0 (v12): i32 epoch, i64 end offset; tag 1 (v12): leader; tag 2 (v12): i64 end offset, i32 epoch
//! ```
//! Flexible from version 12. v8, v10 (KIP-110), v14 changed meanings only.

mod request;
mod response;

pub use request::{FetchPartition, FetchRequest, ForgottenPartition};
pub use response::{
    AbortedTransaction, EpochEndOffset, FetchPartitionResponse, FetchRecords, FetchResponseHead,
    FetchResponseWriter, RecordsGap, SnapshotId,
};

pub const API_KEY: i16 = 1;
pub const VERSION_MIN: i16 = 4;
pub const VERSION_MAX: i16 = 18;
const FLEXIBLE_SINCE: i16 = 12;
const LOG_START_OFFSET_SINCE: i16 = 5;
const SESSION_SINCE: i16 = 7;
const CURRENT_LEADER_EPOCH_SINCE: i16 = 9;
const RACK_SINCE: i16 = 11;
const LAST_FETCHED_EPOCH_SINCE: i16 = 12;
const TOPIC_ID_SINCE: i16 = 13;
const REPLICA_STATE_SINCE: i16 = 15;
const NODE_ENDPOINTS_SINCE: i16 = 16;
const REPLICA_DIRECTORY_SINCE: i16 = 17;
const HIGH_WATERMARK_SINCE: i16 = 18;

/// True when request and response headers of this version have tagged fields.
#[inline]
pub fn is_flexible(version: i16) -> bool {
    version >= FLEXIBLE_SINCE
}

#[inline]
fn topic_by_id(version: i16) -> bool {
    version >= TOPIC_ID_SINCE
}
