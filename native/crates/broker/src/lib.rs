//! Broker: the data plane of one node.
//!
//! Owns      reactors, connections, routing, Produce, Fetch and ListOffsets, the partition table, upcalls, log directories in use.
//! May touch every crate below it; threads; the clock and the sockets through `host`.
//! Never     decides what the control plane decides (topics, leaders, groups), and knows nothing of Node.
//! Start at  broker.rs (what can be asked of it), then reactor/mod.rs (one turn of the loop), partition.rs (what happens under the lock).

mod apis;
mod append_jobs;
mod bare_log;
mod batch_workers;
mod broker;
mod cleaner;
mod connection;
mod error;
mod fetch_watch;
mod flush_schedule;
mod inbox;
mod log_dirs;
mod maintenance;
mod metrics;
mod options;
mod partition;
mod partition_table;
mod preparing;
mod reactor;
mod receive;
mod respond;
mod shared;
mod slab;
mod timers;
mod turn;
mod upcall;

pub use bare_log::BareLog;
pub use broker::partition_io;
pub use broker::publish::{Delta, Publication, PublishFailure, PublishedPartition, PublishedTopic};
pub use broker::{Broker, ListenAddress, Opened};
pub use error::BrokerError;
pub use options::{BrokerOptions, CleanerOptions};
pub use partition::{Offsets, TopicConfig};
pub use upcall::Wake;

pub use millrace_replica::{FlushPolicy, FlushRules};
