//! Owns the life of one data plane: open → bind → listen → drain → close, and everything its owner may ask in between.
//! Never runs on a reactor thread; nothing here waits for a client.
//! Invariant: after `close` no thread of ours runs and no lock of ours is held; `close` may be called at any time, any number of times.

mod addresses;
mod closing;
pub mod partition_io;
pub mod publish;
mod removal;
mod threads;

pub use addresses::ListenAddress;

use crate::append_jobs::AppendJob;
use crate::batch_workers::BatchWorkers;
use crate::cleaner::Cleaner;
use crate::error::BrokerError;
use crate::flush_schedule::FlushSchedule;
use crate::inbox::{Inbox, Message};
use crate::log_dirs::LogDirs;
use crate::maintenance::Maintenance;
use crate::metrics::{self, Metrics};
use crate::options::BrokerOptions;
use crate::partition::{Effects, Offsets, Partition};
use crate::partition_table::{PartitionTable, TopicId};
use crate::reactor::{Listeners, Reactor, token_reactor};
use crate::shared::{ApiVersions, ConnectionCounts, Countdown, Shared, lock};
use crate::upcall::{UpcallQueue, Wake};
use millrace_host::disk::posix::PosixDisk;
use millrace_host::net::TcpListener;
use millrace_host::{SyncService, clock};
use millrace_replica::{FetchSessions, SessionLimits};
use millrace_wire::error_codes;
use partition_io::{JobGate, Recovery};
use publish::HeldPublication;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;
use threads::spawn;

/// Reactors that fit the token of an upcall.
const NETWORK_THREADS_MAX: usize = 64;

/// What opening found.
#[derive(Debug, Clone)]
pub struct Opened {
    pub directory_ids: Vec<String>,
    pub clean_shutdown: bool,
    pub cluster_id: String,
    /// Directories that could not be opened, by index, with the reason. At least one other could.
    pub failed: Vec<(u16, BrokerError)>,
}

pub struct Broker {
    shared: Arc<Shared>,
    log_dirs: OnceLock<Arc<LogDirs>>,
    maintenance: Arc<Maintenance>,
    life: Mutex<Life>,
    next_append_token: AtomicU64,
    jobs: JobGate,
    recovery: Recovery,
    cleaner: Cleaner,
    /// A publication some of whose partitions are being recovered.
    held: Mutex<Option<HeldPublication>>,
}

#[derive(Default)]
struct Life {
    listeners: Vec<TcpListener>,
    reactors: Vec<JoinHandle<()>>,
    upkeep: Vec<JoinHandle<()>>,
    is_closed: bool,
}

impl Broker {
    /// `wake` is called from any thread when events wait and nobody was told since they were last taken.
    pub fn new(options: BrokerOptions, wake: Wake) -> Result<Broker, BrokerError> {
        let threads = options.network_threads;
        if threads == 0 || threads > NETWORK_THREADS_MAX {
            return Err(BrokerError::new(
                "BAD_OPTION",
                format!("networkThreads is {threads}; it must be 1 to {NETWORK_THREADS_MAX}"),
            ));
        }
        if options.log_dirs.is_empty() {
            return Err(BrokerError::new(
                "BAD_OPTION",
                "logDirs is empty; at least one directory is needed",
            ));
        }
        let inboxes = (0..threads)
            .map(|_| Inbox::new().map(Arc::new))
            .collect::<Result<Vec<_>, _>>();
        let inboxes =
            inboxes.map_err(|error| BrokerError::io("cannot create an eventfd", &error))?;
        let limits = SessionLimits {
            max_sessions: options.fetch_session_slots,
            max_partitions: options.fetch_session_partitions_max,
            eviction_ms: options.fetch_session_eviction_ms,
        };
        let cleaner = Cleaner::new(&options.cleaner);
        let shared = Shared {
            table: PartitionTable::default(),
            sessions: Mutex::new(FetchSessions::new(limits)),
            upcalls: UpcallQueue::new(options.upcall_queue_max_bytes, wake),
            inboxes,
            metrics: (0..=threads).map(|_| Metrics::default()).collect(),
            api_versions: ApiVersions::default(),
            connections: ConnectionCounts::default(),
            syncs: RwLock::new(None),
            flushes: FlushSchedule::default(),
            workers: BatchWorkers::default(),
            preparing_bytes: AtomicUsize::new(0),
            drained: Countdown::default(),
            next_connection_id: AtomicU32::new(1),
            has_failed: AtomicBool::new(false),
            options,
        };
        Ok(Broker {
            shared: Arc::new(shared),
            log_dirs: OnceLock::new(),
            maintenance: Arc::default(),
            life: Mutex::default(),
            next_append_token: AtomicU64::new(1),
            jobs: JobGate::default(),
            recovery: Recovery::default(),
            cleaner,
            held: Mutex::default(),
        })
    }

    /// Locks the log directories and reads what they say. Partitions are opened as they are published.
    pub fn open(&self) -> Result<Opened, BrokerError> {
        let mut life = self.life()?;
        if self.log_dirs.get().is_some() {
            return Err(BrokerError::new(
                "ALREADY_OPEN",
                "the log directories are open",
            ));
        }
        let options = &self.shared.options;
        let log_dirs = Arc::new(LogDirs::open(
            &options.log_dirs,
            options.node_id,
            &options.cluster_id,
        )?);
        let syncs = SyncService::start(PosixDisk, options.sync_threads.max(1))
            .map_err(|error| BrokerError::io("cannot start a thread", &error))?;
        *self
            .shared
            .syncs
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(syncs);
        for path in log_dirs.deleted() {
            self.maintenance.remove_later(0, path.clone());
        }
        let (upkeep, shared, dirs) = (
            Arc::clone(&self.maintenance),
            Arc::clone(&self.shared),
            Arc::clone(&log_dirs),
        );
        life.upkeep.push(spawn("millrace-upkeep", move || {
            shared.guard("the upkeep thread", || upkeep.run(&shared, &dirs))
        })?);
        let shared = Arc::clone(&self.shared);
        life.upkeep.push(spawn("millrace-flush", move || {
            shared.guard("the flush thread", || shared.flushes.run(&shared))
        })?);
        let opened = Opened {
            directory_ids: log_dirs
                .iter()
                .filter(|dir| !dir.is_offline())
                .map(|dir| dir.directory_id.to_string())
                .collect(),
            clean_shutdown: log_dirs.iter().all(|dir| dir.is_clean),
            cluster_id: log_dirs.cluster_id().to_string(),
            failed: log_dirs
                .failures()
                .iter()
                .map(|(index, error)| (*index, error.into()))
                .collect(),
        };
        let _ = self.log_dirs.set(log_dirs);
        Ok(opened)
    }

    /// Binds the sockets; nobody is let in yet.
    pub fn bind(&self, addresses: &[ListenAddress]) -> Result<Vec<ListenAddress>, BrokerError> {
        let mut life = self.life()?;
        let mut bound = Vec::with_capacity(addresses.len());
        let mut listeners = Vec::with_capacity(addresses.len());
        for address in addresses {
            let (listener, local) = address.bind()?;
            bound.push(local);
            listeners.push(listener);
        }
        life.listeners.extend(listeners);
        Ok(bound)
    }

    /// Starts the reactors and accepts from now on.
    pub fn listen(&self) -> Result<(), BrokerError> {
        let mut life = self.life()?;
        if !life.reactors.is_empty() {
            return Err(BrokerError::new("ALREADY_LISTENING", "the broker listens"));
        }
        let listeners = Listeners::listen(std::mem::take(&mut life.listeners))
            .map_err(|error| BrokerError::io("cannot listen", &error))?;
        let mut listeners = Some(listeners);
        for index in 0..self.shared.inboxes.len() {
            let index = u16::try_from(index).expect("few reactors");
            let reactor = Reactor::new(
                index,
                Arc::clone(&self.shared),
                listeners.take().unwrap_or_default(),
            );
            let mut reactor =
                reactor.map_err(|error| BrokerError::io("cannot create a poller", &error))?;
            let shared = Arc::clone(&self.shared);
            let run = move || {
                shared.guard("a network thread", || {
                    if let Err(error) = reactor.run() {
                        shared.fail(&format!("a network thread stopped: {error}"));
                    }
                });
                shared.drained.count_down();
            };
            life.reactors
                .push(spawn(&format!("millrace-net-{index}"), run)?);
        }
        Ok(())
    }

    pub fn set_api_versions(&self, ranges: &[(i16, i16, i16)]) {
        for &(api_key, min, max) in ranges {
            self.shared.api_versions.set(api_key, min, max);
        }
    }

    /// The next batch of events, about `bytes_max`. None: there is none, and the next event wakes.
    pub fn take_events(&self, bytes_max: usize) -> Option<Vec<u8>> {
        let (events, reactors_waiting) = self.shared.upcalls.take(bytes_max);
        for (index, inbox) in self.shared.inboxes.iter().enumerate() {
            if reactors_waiting >> index & 1 == 1 {
                inbox.push(Message::UpcallsTaken);
            }
        }
        events
    }

    /// Answers an upcalled request with response header and body.
    pub fn respond(&self, token: u64, payload: Vec<u8>, throttle_ms: u32) {
        self.send_to_token(
            token,
            Message::Respond {
                token,
                payload,
                throttle_ms,
            },
        );
    }

    /// The request has no answer.
    pub fn respond_none(&self, token: u64) {
        self.send_to_token(token, Message::RespondNone { token });
    }

    /// Tells the directories under which registration this node acts.
    pub fn set_broker_epoch(&self, broker_epoch: i64) {
        if let Some(log_dirs) = self.log_dirs.get() {
            log_dirs.set_broker_epoch(broker_epoch);
        }
    }

    pub fn close_connection(&self, token: u64) {
        self.send_to_token(token, Message::CloseConnection { token });
    }

    /// Appends as leader. Answers a token at once; the outcome comes as an event with that token.
    pub fn append(
        &self,
        topic_id: &TopicId,
        partition: i32,
        batch: Vec<u8>,
        wants_sync: bool,
    ) -> u64 {
        let token = self.next_append_token.fetch_add(1, Ordering::Relaxed);
        match self.partition(topic_id, partition) {
            Ok(partition) => self.shared.enqueue_append(
                &partition,
                AppendJob {
                    token,
                    batch,
                    wants_sync,
                },
            ),
            Err(error_code) => self.shared.upcalls.append_done(token, error_code, -1, -1),
        }
        token
    }

    pub fn read_log(
        &self,
        topic_id: &TopicId,
        partition: i32,
        offset: i64,
        max_bytes: u32,
    ) -> Result<Vec<u8>, BrokerError> {
        let read = self
            .partition(topic_id, partition)
            .and_then(|partition| partition.read_to_end(offset, max_bytes));
        read.map_err(|error_code| BrokerError::kafka(error_code, "cannot read the log"))
    }

    pub fn partition_offsets(
        &self,
        topic_id: &TopicId,
        partition: i32,
    ) -> Result<Offsets, BrokerError> {
        let offsets = self
            .partition(topic_id, partition)
            .and_then(|partition| partition.offsets());
        offsets.map_err(|error_code| BrokerError::kafka(error_code, "cannot read the offsets"))
    }

    /// Moves aside what lies in the log directories and was never published. To be called once everything the cluster knows was. Returns the
    /// names of those partitions.
    pub fn set_strays_aside(&self) -> Result<Vec<String>, BrokerError> {
        let _life = self.life()?;
        let mut names = Vec::new();
        for (dir, name, moved) in self.opened_log_dirs()?.set_strays_aside() {
            match moved {
                Ok(()) => names.push(name),
                Err(error) => self
                    .shared
                    .fail_log_dir(&dir, &format!("cannot set {name} aside: {error}")),
            }
        }
        Ok(names)
    }

    /// Partitions that are served no more because the disk under them failed.
    pub fn offline_partitions(&self) -> Vec<(TopicId, i32)> {
        let table = self.shared.table.load();
        let mut offline = Vec::new();
        for topic in table.topics() {
            let partitions = topic.partitions.iter().flatten();
            let failed = partitions.filter(|partition| partition.is_offline());
            offline.extend(failed.map(|partition| (topic.id, partition.index)));
        }
        offline
    }

    /// The new log start offset, or a Kafka error code.
    pub fn delete_records(
        &self,
        topic_id: &TopicId,
        partition: i32,
        before_offset: i64,
    ) -> Result<i64, i16> {
        let partition = self.partition(topic_id, partition)?;
        let mut effects = Effects::default();
        let deleted = partition.delete_records(before_offset, clock::wall_ms(), &mut effects);
        let sync_need = std::mem::take(&mut effects.sync_need);
        self.shared.apply(&mut effects);
        self.shared.bring_about(sync_need, &partition);
        deleted
    }

    pub fn offset_for_leader_epoch(
        &self,
        topic_id: &TopicId,
        partition: i32,
        epoch: i32,
    ) -> Result<(i32, i64), BrokerError> {
        let end = self
            .partition(topic_id, partition)
            .and_then(|partition| partition.offset_for_leader_epoch(epoch));
        end.map_err(|error_code| BrokerError::kafka(error_code, "cannot look the epoch up"))
    }

    /// Counters and gauges by name.
    pub fn metrics(&self) -> Vec<(String, f64)> {
        let mut values = metrics::sums(self.shared.metrics.iter());
        values.push((
            "ConnectionCount".to_string(),
            self.shared.connections.total() as f64,
        ));
        values.extend(self.cleaner.metrics());
        for (name, value) in self.recovery.metrics() {
            values.push((name.to_string(), value as f64));
        }
        let sessions = lock(&self.shared.sessions);
        values.push(("FetchSessionCount".to_string(), sessions.len() as f64));
        values.push((
            "FetchSessionPartitionCount".to_string(),
            sessions.cached_partitions() as f64,
        ));
        values.push((
            "FetchSessionEvictionsTotal".to_string(),
            sessions.evictions() as f64,
        ));
        values
    }

    fn life(&self) -> Result<std::sync::MutexGuard<'_, Life>, BrokerError> {
        let life = lock(&self.life);
        if life.is_closed {
            Err(BrokerError::new("CLOSED", "the broker is closed"))
        } else {
            Ok(life)
        }
    }

    fn partition(&self, topic_id: &TopicId, partition: i32) -> Result<Arc<Partition>, i16> {
        let table = self.shared.table.load();
        let topic = table.by_id(topic_id).ok_or(error_codes::UNKNOWN_TOPIC_ID)?;
        topic
            .partition(partition)
            .cloned()
            .ok_or(error_codes::UNKNOWN_TOPIC_OR_PARTITION)
    }

    fn send_to_token(&self, token: u64, message: Message) {
        if let Some(inbox) = self.shared.inboxes.get(token_reactor(token)) {
            inbox.push(message);
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nobody is left to hear an error.
        let _ = self.close();
    }
}
