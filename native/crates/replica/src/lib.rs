//! Replica: what the leader of one partition decides.
//!
//! Owns      the high watermark and the sync mark, which requests wait for them, fetch sessions, the idempotence window.
//! May touch record (batch facts). Everything arrives as plain numbers, also the time.
//! Never     reads a clock, makes a syscall, starts a thread, knows an error code of the wire.
//! Start at  `leader.rs`, then `producer_window.rs` and `fetch_session.rs`.

mod delayed_fetch;
mod delayed_produce;
mod fetch_session;
mod flush_rules;
mod leader;
mod producer_window;

pub use delayed_fetch::{FetchAllowance, FetchBudget, FetchGoal};
pub use delayed_produce::DelayedProduces;
pub use fetch_session::{
    CachedPartition, FetchSession, FetchSessions, FetchedState, SessionError, SessionLimits,
    SessionRequest, TopicKey, next_epoch,
};
pub use flush_rules::{FlushPolicy, FlushRules, SyncNeed};
pub use leader::{Acks, Appended, EpochMismatch, Leader, LeaderTerm, NotEnoughReplicas};
pub use producer_window::{
    Admission, ProducerAppend, ProducerError, ProducerState, ProducerWindow,
};
