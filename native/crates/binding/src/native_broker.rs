//! Owns the class `NativeBroker`: one data plane in this process.

use crate::broker_options::{NativeBrokerOptions, broker_options};
use crate::convert::{
    Code, Result, TopicNativeConfig, invalid, small, thrown, topic_config, topic_id, waker,
};
use crate::external::Bytes;
use millrace_broker::{
    Broker, Delta, ListenAddress, Publication, PublishFailure, PublishedPartition, PublishedTopic,
    partition_io,
};
use napi::Env;
use napi::bindgen_prelude::{Buffer, Function};
use napi_derive::napi;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

#[napi(object)]
pub struct FailedLogDir {
    pub index: u32,
    pub code: String,
    pub message: String,
}

#[napi(object)]
pub struct OpenedLogDirs {
    pub directory_ids: Vec<String>,
    pub clean_shutdown: bool,
    pub cluster_id: String,
    pub failed: Vec<FailedLogDir>,
}

#[napi(object)]
pub struct Listener {
    pub name: String,
    pub host: String,
    pub port: u16,
}

#[napi(object)]
pub struct ApiVersionRange {
    pub api_key: i32,
    pub min: i32,
    pub max: i32,
}

#[napi(object)]
pub struct TablePartition {
    pub partition: i32,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
}

#[napi(object)]
pub struct TableTopic {
    pub name: String,
    pub topic_id: Buffer,
    pub internal: bool,
    pub config: TopicNativeConfig,
    pub partitions: Vec<TablePartition>,
}

#[napi(object)]
pub struct TableDelta {
    pub topics: Vec<TableTopic>,
    pub deleted_topic_ids: Vec<Buffer>,
}

#[napi(object)]
pub struct Failure {
    pub topic_id: Buffer,
    pub partition: i32,
    pub error_code: i32,
    pub message: String,
}

#[napi(object)]
pub struct PartitionName {
    pub topic_id: Buffer,
    pub partition: i32,
}

#[napi(object)]
pub struct Published {
    pub failures: Vec<Failure>,
    /// Not empty: the publication is held until these are recovered and `publishHeld` is called.
    pub recovering: Vec<PartitionName>,
}

#[napi(object)]
pub struct PartitionOffsets {
    pub log_start_offset: i64,
    pub high_watermark: i64,
    pub log_end_offset: i64,
    pub last_stable_offset: i64,
}

#[napi(object)]
pub struct DeletedRecords {
    pub low_watermark: i64,
    pub error_code: i32,
}

#[napi(object)]
pub struct EpochEnd {
    pub epoch: i32,
    pub end_offset: i64,
}

#[napi]
pub struct NativeBroker {
    pub(crate) broker: Arc<Broker>,
    handle: u32,
}

#[napi]
impl NativeBroker {
    #[napi(constructor)]
    pub fn new(
        env: Env,
        options: NativeBrokerOptions,
        on_wake: Function<'_, (), ()>,
    ) -> Result<NativeBroker, Code> {
        let broker =
            Broker::new(broker_options(options), waker(&env, &on_wake)?).map_err(thrown)?;
        let broker = Arc::new(broker);
        let handle = partition_io::register(&broker);
        Ok(NativeBroker { broker, handle })
    }

    /// What `partitionIo` knows this broker by.
    #[napi(getter)]
    pub fn handle(&self) -> u32 {
        self.handle
    }

    #[napi]
    pub fn open(&self) -> Result<OpenedLogDirs, Code> {
        let opened = self.broker.open().map_err(thrown)?;
        Ok(OpenedLogDirs {
            directory_ids: opened.directory_ids,
            clean_shutdown: opened.clean_shutdown,
            cluster_id: opened.cluster_id,
            failed: opened
                .failed
                .into_iter()
                .map(|(index, error)| FailedLogDir {
                    index: u32::from(index),
                    code: error.code.to_string(),
                    message: error.message,
                })
                .collect(),
        })
    }

    #[napi]
    pub fn bind(&self, listeners: Vec<Listener>) -> Result<Vec<Listener>, Code> {
        let addresses: Vec<_> = listeners
            .into_iter()
            .map(|Listener { name, host, port }| ListenAddress { name, host, port })
            .collect();
        let bound = self.broker.bind(&addresses).map_err(thrown)?;
        Ok(bound
            .into_iter()
            .map(|ListenAddress { name, host, port }| Listener { name, host, port })
            .collect())
    }

    #[napi]
    pub fn listen(&self) -> Result<(), Code> {
        self.broker.listen().map_err(thrown)
    }

    #[napi]
    pub fn set_api_versions(&self, ranges: Vec<ApiVersionRange>) -> Result<(), Code> {
        let short = |value: i32| {
            i16::try_from(value).map_err(|_| invalid("API keys and versions are 16-bit numbers"))
        };
        let ranges: Result<Vec<_>, Code> = ranges
            .iter()
            .map(|range| Ok((short(range.api_key)?, short(range.min)?, short(range.max)?)))
            .collect();
        self.broker.set_api_versions(&ranges?);
        Ok(())
    }

    #[napi]
    pub fn publish(&self, delta: TableDelta) -> Result<Published, Code> {
        let topics: Result<Vec<_>, Code> = delta.topics.into_iter().map(published_topic).collect();
        let deleted: Result<Vec<_>, Code> = delta
            .deleted_topic_ids
            .iter()
            .map(|id| topic_id(id))
            .collect();
        let publication = self
            .broker
            .begin_publish(Delta {
                topics: topics?,
                deleted_topic_ids: deleted?,
            })
            .map_err(thrown)?;
        Ok(match publication {
            Publication::Done(failures) => published(failures),
            Publication::Recovering(partitions) => Published {
                failures: Vec::new(),
                recovering: partitions
                    .into_iter()
                    .map(|(topic_id, partition)| PartitionName {
                        topic_id: topic_id.to_vec().into(),
                        partition,
                    })
                    .collect(),
            },
        })
    }

    #[napi]
    pub fn publish_held(&self) -> Result<Published, Code> {
        self.broker.publish_held().map(published).map_err(thrown)
    }

    /// Whether a `compact` job may find something to do.
    #[napi]
    pub fn may_compact(&self) -> bool {
        self.broker.may_compact()
    }

    #[napi]
    pub fn set_strays_aside(&self) -> Result<Vec<String>, Code> {
        self.broker.set_strays_aside().map_err(thrown)
    }

    #[napi]
    pub fn stop_jobs(&self) {
        self.broker.stop_jobs();
    }

    #[napi]
    pub fn take_events(&self, max_bytes: i64) -> Option<Bytes> {
        self.broker
            .take_events(usize::try_from(max_bytes).unwrap_or(0))
            .map(Bytes)
    }

    #[napi]
    pub fn respond(&self, token_high: u32, token_low: u32, payload: &[u8], throttle_ms: i64) {
        self.broker.respond(
            token(token_high, token_low),
            payload.to_vec(),
            small(throttle_ms),
        );
    }

    #[napi]
    pub fn respond_none(&self, token_high: u32, token_low: u32) {
        self.broker.respond_none(token(token_high, token_low));
    }

    #[napi]
    pub fn close_connection(&self, token_high: u32, token_low: u32) {
        self.broker.close_connection(token(token_high, token_low));
    }

    #[napi]
    pub fn append(
        &self,
        topic: &[u8],
        partition: i32,
        batch: &[u8],
        sync: bool,
    ) -> Result<i64, Code> {
        let token = self
            .broker
            .append(&topic_id(topic)?, partition, batch.to_vec(), sync);
        Ok(i64::try_from(token).expect("tokens count up from 1"))
    }

    #[napi]
    pub fn read_log(
        &self,
        topic: &[u8],
        partition: i32,
        offset: i64,
        max_bytes: i64,
    ) -> Result<Bytes, Code> {
        self.broker
            .read_log(&topic_id(topic)?, partition, offset, small(max_bytes))
            .map(Bytes)
            .map_err(thrown)
    }

    #[napi]
    pub fn partition_offsets(
        &self,
        topic: &[u8],
        partition: i32,
    ) -> Result<PartitionOffsets, Code> {
        let offsets = self
            .broker
            .partition_offsets(&topic_id(topic)?, partition)
            .map_err(thrown)?;
        Ok(PartitionOffsets {
            log_start_offset: offsets.log_start_offset,
            high_watermark: offsets.high_watermark,
            log_end_offset: offsets.log_end_offset,
            last_stable_offset: offsets.last_stable_offset,
        })
    }

    #[napi]
    pub fn delete_records(
        &self,
        topic: &[u8],
        partition: i32,
        offset: i64,
    ) -> Result<DeletedRecords, Code> {
        Ok(
            match self
                .broker
                .delete_records(&topic_id(topic)?, partition, offset)
            {
                Ok(low_watermark) => DeletedRecords {
                    low_watermark,
                    error_code: 0,
                },
                Err(error_code) => DeletedRecords {
                    low_watermark: -1,
                    error_code: i32::from(error_code),
                },
            },
        )
    }

    #[napi]
    pub fn offset_for_leader_epoch(
        &self,
        topic: &[u8],
        partition: i32,
        epoch: i32,
    ) -> Result<EpochEnd, Code> {
        let (epoch, end_offset) = self
            .broker
            .offset_for_leader_epoch(&topic_id(topic)?, partition, epoch)
            .map_err(thrown)?;
        Ok(EpochEnd { epoch, end_offset })
    }

    #[napi]
    pub fn metrics(&self) -> HashMap<String, f64> {
        self.broker.metrics().into_iter().collect()
    }

    #[napi]
    pub fn set_broker_epoch(&self, broker_epoch: i64) {
        self.broker.set_broker_epoch(broker_epoch);
    }

    #[napi]
    pub fn drain(&self, timeout_ms: i64) {
        self.broker
            .drain(Duration::from_millis(u64::from(small(timeout_ms))));
    }

    #[napi]
    pub fn close(&self) -> Result<(), Code> {
        self.broker.close().map_err(thrown)
    }
}

fn token(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn published(failures: Vec<PublishFailure>) -> Published {
    let failures = failures.into_iter().map(|failure| Failure {
        topic_id: failure.topic_id.to_vec().into(),
        partition: failure.partition,
        error_code: i32::from(failure.error_code),
        message: failure.message,
    });
    Published {
        failures: failures.collect(),
        recovering: Vec::new(),
    }
}

fn published_topic(topic: TableTopic) -> Result<PublishedTopic, Code> {
    let partitions = topic
        .partitions
        .into_iter()
        .map(|partition| PublishedPartition {
            partition: partition.partition,
            leader_id: partition.leader_id,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas,
            isr: partition.isr,
        });
    Ok(PublishedTopic {
        topic_id: topic_id(&topic.topic_id)?,
        is_internal: topic.internal,
        config: topic_config(&topic.config)?,
        partitions: partitions.collect(),
        name: topic.name,
    })
}
