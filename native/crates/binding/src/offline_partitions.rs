//! Owns how the partitions that a failed disk took cross to JavaScript. Never decides which they are.

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::native_broker::NativeBroker;

/// See OfflinePartition in src/native/addon.ts.
#[napi(object)]
pub struct OfflinePartition {
    pub topic_id: Buffer,
    pub partition: i32,
}

#[napi]
impl NativeBroker {
    #[napi]
    pub fn offline_partitions(&self) -> Vec<OfflinePartition> {
        let offline = self.broker.offline_partitions();
        offline
            .into_iter()
            .map(|(topic_id, partition)| OfflinePartition {
                topic_id: Buffer::from(topic_id.to_vec()),
                partition,
            })
            .collect()
    }
}
