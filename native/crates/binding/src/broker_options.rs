//! Owns the settings of a data plane as JavaScript gives them. Never adds a default: those are in `BrokerOptions`.

use millrace_broker::{BrokerOptions, CleanerOptions};
use napi_derive::napi;
use std::path::PathBuf;

/// Every number is optional but the first ones; what is missing has the default of `BrokerOptions`. -1 means none or no limit, as in Kafka.
#[napi(object)]
pub struct NativeBrokerOptions {
    pub node_id: i32,
    pub cluster_id: String,
    pub log_dirs: Vec<String>,
    pub network_threads: u32,
    pub socket_request_max_bytes: i64,
    pub max_connections: i64,
    pub max_connections_per_ip: Option<i64>,
    pub queued_max_request_bytes: Option<i64>,
    pub connections_max_idle_ms: Option<i64>,
    pub partial_frame_max_ms: Option<i64>,
    pub socket_send_buffer_bytes: Option<i64>,
    pub socket_receive_buffer_bytes: Option<i64>,
    pub max_in_flight_requests_per_connection: Option<i64>,
    pub upcall_queue_max_bytes: Option<i64>,
    pub fetch_max_bytes: Option<i64>,
    pub max_incremental_fetch_session_cache_slots: Option<i64>,
    pub min_incremental_fetch_session_eviction_ms: Option<i64>,
    pub producer_id_expiration_ms: Option<i64>,
    pub producer_ids_per_partition_max: Option<i64>,
    pub sync_threads: Option<u32>,
    pub log_flush_offset_checkpoint_interval_ms: Option<i64>,
    pub log_retention_check_interval_ms: Option<i64>,
    pub log_initial_task_delay_ms: Option<i64>,
    pub num_recovery_threads_per_data_dir: Option<u32>,
    pub log_cleaner_threads: Option<u32>,
    pub log_cleaner_dedupe_buffer_size: Option<i64>,
    pub log_cleaner_io_buffer_load_factor: Option<f64>,
    pub log_cleaner_io_buffer_size: Option<i64>,
    pub log_cleaner_io_max_bytes_per_second: Option<f64>,
    pub spin_us: Option<i64>,
}

pub fn broker_options(options: NativeBrokerOptions) -> BrokerOptions {
    let defaults = BrokerOptions::default();
    let cleaner = cleaner_options(&options, &defaults.cleaner);
    let size = |value: Option<i64>, default: usize| {
        value.map_or(default, |value| {
            usize::try_from(value).unwrap_or(usize::MAX)
        })
    };
    let ms = |value: Option<i64>, default: u64| {
        value.map_or(default, |value| {
            u64::try_from(value).unwrap_or(u64::MAX / 2)
        })
    };
    BrokerOptions {
        node_id: options.node_id,
        cluster_id: options.cluster_id,
        log_dirs: options.log_dirs.into_iter().map(PathBuf::from).collect(),
        network_threads: options.network_threads as usize,
        socket_request_max_bytes: size(
            Some(options.socket_request_max_bytes),
            defaults.socket_request_max_bytes,
        ),
        max_connections: size(Some(options.max_connections), defaults.max_connections),
        max_connections_per_ip: size(
            options.max_connections_per_ip,
            defaults.max_connections_per_ip,
        ),
        // Kafka's -1 here means no limit; a data plane without one could be made to eat all memory.
        queued_max_request_bytes: options
            .queued_max_request_bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(defaults.queued_max_request_bytes),
        connections_max_idle_ms: ms(
            options.connections_max_idle_ms,
            defaults.connections_max_idle_ms,
        ),
        partial_frame_max_ms: ms(options.partial_frame_max_ms, defaults.partial_frame_max_ms),
        socket_send_buffer_bytes: options
            .socket_send_buffer_bytes
            .unwrap_or(defaults.socket_send_buffer_bytes),
        socket_receive_buffer_bytes: options
            .socket_receive_buffer_bytes
            .unwrap_or(defaults.socket_receive_buffer_bytes),
        max_in_flight_requests_per_connection: size(
            options.max_in_flight_requests_per_connection,
            defaults.max_in_flight_requests_per_connection,
        )
        .max(1),
        upcall_queue_max_bytes: size(
            options.upcall_queue_max_bytes,
            defaults.upcall_queue_max_bytes,
        ),
        fetch_max_bytes: options
            .fetch_max_bytes
            .map_or(defaults.fetch_max_bytes, |bytes| {
                i32::try_from(bytes).unwrap_or(i32::MAX)
            }),
        fetch_session_slots: size(
            options.max_incremental_fetch_session_cache_slots,
            defaults.fetch_session_slots,
        ),
        fetch_session_eviction_ms: options
            .min_incremental_fetch_session_eviction_ms
            .unwrap_or(defaults.fetch_session_eviction_ms),
        producer_id_expiration_ms: options
            .producer_id_expiration_ms
            .unwrap_or(defaults.producer_id_expiration_ms),
        producer_ids_per_partition_max: size(
            options.producer_ids_per_partition_max,
            defaults.producer_ids_per_partition_max,
        )
        .max(1),
        sync_threads: options
            .sync_threads
            .map_or(defaults.sync_threads, |threads| threads as usize),
        checkpoint_interval_ms: ms(
            options.log_flush_offset_checkpoint_interval_ms,
            defaults.checkpoint_interval_ms,
        ),
        retention_check_interval_ms: ms(
            options.log_retention_check_interval_ms,
            defaults.retention_check_interval_ms,
        ),
        initial_task_delay_ms: ms(
            options.log_initial_task_delay_ms,
            defaults.initial_task_delay_ms,
        ),
        recovery_threads_per_data_dir: options
            .num_recovery_threads_per_data_dir
            .map_or(defaults.recovery_threads_per_data_dir, |threads| {
                threads as usize
            }),
        cleaner,
        spin_us: ms(options.spin_us, defaults.spin_us),
        ..defaults
    }
}

fn cleaner_options(options: &NativeBrokerOptions, defaults: &CleanerOptions) -> CleanerOptions {
    let bytes = |value: Option<i64>, default| {
        value
            .and_then(|value| u64::try_from(value).ok())
            .unwrap_or(default)
    };
    CleanerOptions {
        threads: options.log_cleaner_threads.unwrap_or(defaults.threads),
        dedupe_buffer_bytes: bytes(
            options.log_cleaner_dedupe_buffer_size,
            defaults.dedupe_buffer_bytes,
        ),
        load_factor: options
            .log_cleaner_io_buffer_load_factor
            .unwrap_or(defaults.load_factor),
        io_buffer_bytes: bytes(options.log_cleaner_io_buffer_size, defaults.io_buffer_bytes),
        io_bytes_per_second_max: options
            .log_cleaner_io_max_bytes_per_second
            .unwrap_or(defaults.io_bytes_per_second_max),
    }
}
