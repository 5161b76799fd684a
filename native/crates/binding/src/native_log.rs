//! Owns the class `NativeLog`: one log directory by itself.

use crate::convert::{
    Code, Result, TopicNativeConfig, small, thrown, topic_config, topic_id, waker,
};
use crate::external::Bytes;
use millrace_broker::BareLog;
use napi::Env;
use napi::bindgen_prelude::Function;
use napi_derive::napi;
use std::path::Path;

#[napi]
pub struct NativeLog {
    log: BareLog,
}

#[napi]
impl NativeLog {
    #[napi(constructor)]
    pub fn new(
        env: Env,
        dir: String,
        config: TopicNativeConfig,
        on_wake: Function<'_, (), ()>,
    ) -> Result<NativeLog, Code> {
        let id = config.topic_id.as_deref().map(topic_id).transpose()?;
        let log = BareLog::open(
            Path::new(&dir),
            topic_config(&config)?.log,
            id,
            waker(&env, &on_wake)?,
        )
        .map_err(thrown)?;
        Ok(NativeLog { log })
    }

    #[napi(getter)]
    pub fn start_offset(&self) -> i64 {
        self.log.start_offset()
    }

    #[napi(getter)]
    pub fn end_offset(&self) -> i64 {
        self.log.end_offset()
    }

    #[napi]
    pub fn append(&self, batch: &[u8], leader_epoch: i32, sync: bool) -> Result<i64, Code> {
        let token = self
            .log
            .append(batch.to_vec(), leader_epoch, sync)
            .map_err(thrown)?;
        Ok(i64::try_from(token).expect("tokens count up from 1"))
    }

    #[napi]
    pub fn append_sync(&self, batch: &[u8], leader_epoch: i32) -> Result<i64, Code> {
        self.log
            .append_sync(batch.to_vec(), leader_epoch)
            .map_err(thrown)
    }

    #[napi]
    pub fn take_completions(&self) -> Option<Bytes> {
        self.log.take_completions().map(Bytes)
    }

    #[napi]
    pub fn read(&self, offset: i64, max_bytes: i64) -> Result<Bytes, Code> {
        self.log
            .read(offset, small(max_bytes))
            .map(Bytes)
            .map_err(thrown)
    }

    #[napi]
    pub fn delete_before(&self, offset: i64) -> Result<(), Code> {
        self.log.delete_before(offset).map_err(thrown)
    }

    #[napi]
    pub fn start_at(&self, offset: i64) -> Result<(), Code> {
        self.log.start_at(offset).map_err(thrown)
    }

    #[napi]
    pub fn truncate(&self, offset: i64) -> Result<(), Code> {
        self.log.truncate(offset).map_err(thrown)
    }

    #[napi]
    pub fn close(&self) -> Result<(), Code> {
        self.log.close().map_err(thrown)
    }
}
