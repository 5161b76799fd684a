//! Owns the settings of one data plane, under Kafka's names where Kafka has one. Never reads a file or an environment.

use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct BrokerOptions {
    pub node_id: i32,
    /// Empty: take what `meta.properties` says.
    pub cluster_id: String,
    pub log_dirs: Vec<PathBuf>,
    /// `num.network.threads`: reactor threads.
    pub network_threads: usize,
    /// `socket.request.max.bytes`
    pub socket_request_max_bytes: usize,
    /// `queued.max.request.bytes`: receive buffers of all connections together; at the limit connections wait their turn.
    pub queued_max_request_bytes: usize,
    /// `max.connections`
    pub max_connections: usize,
    /// `max.connections.per.ip`
    pub max_connections_per_ip: usize,
    /// `connections.max.idle.ms`
    pub connections_max_idle_ms: u64,
    /// A connection that sent part of a frame must go on within this time.
    pub partial_frame_max_ms: u64,
    /// `socket.send.buffer.bytes`, -1 = what the system gives.
    pub socket_send_buffer_bytes: i64,
    /// `socket.receive.buffer.bytes`, -1 = what the system gives.
    pub socket_receive_buffer_bytes: i64,
    /// Produce requests of one connection under way at once; above it the connection is not read.
    pub max_in_flight_requests_per_connection: usize,
    /// Bytes of upcalled requests waiting for the control plane; above it connections that need it are not read.
    pub upcall_queue_max_bytes: usize,
    /// `fetch.max.bytes` of the broker.
    pub fetch_max_bytes: i32,
    /// `max.incremental.fetch.session.cache.slots`
    pub fetch_session_slots: usize,
    /// `min.incremental.fetch.session.eviction.ms`
    pub fetch_session_eviction_ms: i64,
    /// Partitions followed by all fetch sessions together.
    pub fetch_session_partitions_max: usize,
    /// `producer.id.expiration.ms`
    pub producer_id_expiration_ms: i64,
    /// Idempotent producers remembered per partition.
    pub producer_ids_per_partition_max: usize,
    /// Threads that may wait for the disk: syncs, appends of the control plane, searches by time. Asleep when there is nothing to do.
    pub sync_threads: usize,
    /// `log.flush.offset.checkpoint.interval.ms` and its siblings.
    pub checkpoint_interval_ms: u64,
    /// `log.retention.check.interval.ms`
    pub retention_check_interval_ms: u64,
    /// `log.initial.task.delay.ms`: the first check comes this long after opening.
    pub initial_task_delay_ms: u64,
    /// Threads that decompress and recompress batches where a topic asks for it. Started when the first one does.
    pub batch_threads: usize,
    /// `num.recovery.threads.per.data.dir`
    pub recovery_threads_per_data_dir: usize,
    pub cleaner: CleanerOptions,
    /// How long a reactor with requests in flight looks for more before it sleeps. 0 = never.
    pub spin_us: u64,
}

/// The log cleaner's share of the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct CleanerOptions {
    /// `log.cleaner.threads`: cleanings at once; they share what follows.
    pub threads: u32,
    /// `log.cleaner.dedupe.buffer.size`
    pub dedupe_buffer_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`
    pub load_factor: f64,
    /// `log.cleaner.io.buffer.size`
    pub io_buffer_bytes: u64,
    /// `log.cleaner.io.max.bytes.per.second`
    pub io_bytes_per_second_max: f64,
}

impl Default for CleanerOptions {
    fn default() -> CleanerOptions {
        CleanerOptions {
            threads: 1,
            dedupe_buffer_bytes: 128 * 1024 * 1024,
            load_factor: 0.9,
            io_buffer_bytes: 512 * 1024,
            io_bytes_per_second_max: f64::MAX,
        }
    }
}

impl Default for BrokerOptions {
    fn default() -> BrokerOptions {
        BrokerOptions {
            node_id: 1,
            cluster_id: String::new(),
            log_dirs: Vec::new(),
            network_threads: 1,
            socket_request_max_bytes: 100 * 1024 * 1024,
            queued_max_request_bytes: 512 * 1024 * 1024,
            max_connections: 10_000,
            max_connections_per_ip: usize::MAX,
            connections_max_idle_ms: 10 * 60 * 1000,
            partial_frame_max_ms: 30_000,
            socket_send_buffer_bytes: -1,
            socket_receive_buffer_bytes: -1,
            max_in_flight_requests_per_connection: 128,
            upcall_queue_max_bytes: 64 * 1024 * 1024,
            fetch_max_bytes: 55 * 1024 * 1024,
            fetch_session_slots: 1000,
            fetch_session_eviction_ms: 120_000,
            fetch_session_partitions_max: 1_000_000,
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
            producer_ids_per_partition_max: 10_000,
            sync_threads: 4,
            batch_threads: 2,
            checkpoint_interval_ms: 60_000,
            retention_check_interval_ms: 5 * 60 * 1000,
            initial_task_delay_ms: 30_000,
            recovery_threads_per_data_dir: 2,
            cleaner: CleanerOptions::default(),
            spin_us: 0,
        }
    }
}
