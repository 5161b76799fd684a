//! Owns turning JavaScript values into the data plane's and back. Never keeps a reference to a JavaScript value.

use millrace_broker::{BrokerError, FlushPolicy, FlushRules, TopicConfig, Wake};
use millrace_log::{CompactionConfig, LogConfig};
use millrace_record::{Compression, TimestampType, TopicCompression};
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Error, Status};
use napi_derive::napi;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An error code as JavaScript gets it in `error.code`.
#[derive(Debug, Clone)]
pub struct Code(&'static str);

impl From<&'static str> for Code {
    fn from(code: &'static str) -> Code {
        Code(code)
    }
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl From<Status> for Code {
    fn from(status: Status) -> Code {
        Code(match status {
            Status::InvalidArg => "INVALID_ARGUMENT",
            _ => "NAPI",
        })
    }
}

pub use napi::Result;

pub fn thrown(error: BrokerError) -> Error<Code> {
    Error::new(Code(error.code), error.message)
}

pub fn invalid(message: impl Into<String>) -> Error<Code> {
    Error::new(Code("INVALID_ARGUMENT"), message.into())
}

/// The largest integer a JavaScript number holds exactly; stands for "no limit".
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

pub fn limit(value: i64) -> i64 {
    if value >= MAX_SAFE_INTEGER {
        i64::MAX
    } else {
        value
    }
}

fn unsigned_limit(value: i64) -> u64 {
    if value >= MAX_SAFE_INTEGER {
        u64::MAX
    } else {
        u64::try_from(value).unwrap_or(0)
    }
}

pub fn small(value: i64) -> u32 {
    u32::try_from(value.clamp(0, i64::from(i32::MAX))).expect("clamped to what fits")
}

pub fn topic_id(bytes: &[u8]) -> Result<[u8; 16], Code> {
    bytes
        .try_into()
        .map_err(|_| invalid("a topic id has 16 bytes"))
}

/// Settings of a topic; see TopicNativeConfig in src/native/partition-table.ts.
#[napi(object)]
pub struct TopicNativeConfig {
    pub segment_bytes: i64,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: i64,
    pub index_interval_bytes: i64,
    pub max_message_bytes: i64,
    pub message_timestamp_type: String,
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_after_max_ms: i64,
    pub compression_type: String,
    pub compression_level: Option<i32>,
    pub compacted: bool,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub delete_retention_ms: i64,
    pub min_insync_replicas: i64,
    pub flush_policy: String,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub deletes: bool,
    pub retention_ms: i64,
    pub retention_bytes: i64,
    pub file_delete_delay_ms: i64,
    /// Only for a bare log.
    pub topic_id: Option<napi::bindgen_prelude::Buffer>,
}

fn topic_compression(name: &str, level: Option<i32>) -> Result<TopicCompression, Code> {
    if let Some(codec) = Compression::ALL
        .into_iter()
        .find(|codec| codec.name() == name)
    {
        return Ok(TopicCompression::Codec { codec, level });
    }
    match name {
        "producer" => Ok(TopicCompression::Producer),
        "uncompressed" => Ok(TopicCompression::Uncompressed),
        other => Err(invalid(format!(
            "compressionType is {other}; it is producer, uncompressed, gzip, snappy, lz4 or zstd"
        ))),
    }
}

pub fn topic_config(config: &TopicNativeConfig) -> Result<TopicConfig, Code> {
    let message_timestamp_type = match config.message_timestamp_type.as_str() {
        "CreateTime" => TimestampType::CreateTime,
        "LogAppendTime" => TimestampType::LogAppendTime,
        other => {
            return Err(invalid(format!(
                "messageTimestampType is {other}; it is CreateTime or LogAppendTime"
            )));
        }
    };
    let policy = match config.flush_policy.as_str() {
        "sync" => FlushPolicy::Sync,
        "replicated" => FlushPolicy::Replicated,
        "relaxed" => FlushPolicy::Relaxed,
        other => {
            return Err(invalid(format!(
                "flushPolicy is {other}; it is sync, replicated or relaxed"
            )));
        }
    };
    Ok(TopicConfig {
        log: LogConfig {
            segment_bytes: small(config.segment_bytes),
            segment_ms: limit(config.segment_ms),
            segment_jitter_ms: limit(config.segment_jitter_ms),
            segment_index_bytes: small(config.segment_index_bytes),
            index_interval_bytes: small(config.index_interval_bytes),
            max_message_bytes: small(config.max_message_bytes),
            message_timestamp_type,
            message_timestamp_before_max_ms: limit(config.message_timestamp_before_max_ms),
            message_timestamp_after_max_ms: limit(config.message_timestamp_after_max_ms),
            compression: topic_compression(&config.compression_type, config.compression_level)?,
            compacted: config.compacted,
            compaction: CompactionConfig {
                min_cleanable_dirty_ratio: config.min_cleanable_dirty_ratio,
                min_compaction_lag_ms: limit(config.min_compaction_lag_ms),
                max_compaction_lag_ms: limit(config.max_compaction_lag_ms),
                delete_retention_ms: limit(config.delete_retention_ms),
            },
            deletes: config.deletes,
            retention_ms: limit(config.retention_ms),
            retention_bytes: limit(config.retention_bytes),
            file_delete_delay_ms: limit(config.file_delete_delay_ms),
            ..LogConfig::default()
        },
        min_in_sync_replicas: small(config.min_insync_replicas),
        flush: FlushRules {
            policy,
            messages: unsigned_limit(config.flush_messages).max(1),
            ms: unsigned_limit(config.flush_ms),
        },
    })
}

/// A function of any thread that makes the JavaScript thread of `env` call `on_wake`. It does not keep that thread alive, and does nothing once
/// the thread's environment has begun to end: Node 20 crashes when a function of a terminated worker is called (node issue 55706), so a cleanup
/// hook, registered after the function was made and hence run before its own end, takes it away under the lock that every call holds.
pub fn waker(env: &Env, on_wake: &Function<'_, (), ()>) -> Result<Wake, Code> {
    type OnWake = ThreadsafeFunction<(), (), (), Status, false, true, 0>;
    let built = on_wake
        .build_threadsafe_function()
        .callee_handled::<false>()
        .weak::<true>()
        .build();
    let on_wake: OnWake = built.map_err(|error| invalid(error.reason.clone()))?;
    let living = Arc::new(Mutex::new(Some(on_wake)));
    let at_end = Arc::downgrade(&living);
    env.add_env_cleanup_hook(at_end, |at_end| {
        if let Some(living) = at_end.upgrade() {
            lock(&living).take();
        }
    })
    .map_err(|error| invalid(error.reason.clone()))?;
    Ok(Box::new(move || {
        if let Some(on_wake) = &*lock(&living) {
            // Refused only while the process ends; then nobody is there to wake.
            let _ = on_wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
