//! Owns the codecs of the hot APIs, one file each, all versions in one. Everything else is decoded in the control plane.
//! Requests are checked whole before the first partition is handed out, so that a broken one changes nothing.

pub mod fetch;
pub mod leader_hint;
pub mod list_offsets;
pub mod produce;
mod topic;

pub use leader_hint::{LeaderIdAndEpoch, NodeEndpoint};
pub use topic::{Partitions, TopicPartition, TopicRef};
