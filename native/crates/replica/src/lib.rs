//! Replica: what the leader of one partition decides.
//!
//! Owns      the high watermark, the last stable offset and the sync mark, which requests wait for them, fetch sessions.
//! May touch record (batch facts). Everything arrives as plain numbers, also the time.
//! Never     reads a clock, makes a syscall, starts a thread, knows an error code of the wire.
//! Start at  `leader.rs`, then `fetch_session.rs`.

mod delayed_fetch;
mod delayed_produce;
mod fetch_session;
mod flush_rules;
mod leader;

pub use delayed_fetch::{FetchAllowance, FetchBudget, FetchGoal};
pub use delayed_produce::DelayedProduces;
pub use fetch_session::{
    CachedPartition, FetchSession, FetchSessions, FetchedState, SessionError, SessionLimits,
    SessionRequest, TopicKey, next_epoch,
};
pub use flush_rules::{FlushPolicy, FlushRules, SyncNeed};
pub use leader::{Acks, Appended, EpochMismatch, Leader, LeaderTerm, NotEnoughReplicas};
