//! Owns which topics and partitions this node knows, as published from above. Readers take a snapshot and never wait.
//! Never decides leadership: it says what the controller said.
//! Invariant: a snapshot never changes; a topic that was deleted and created again is another topic with another id.
//!
//! The table is cut into shards so that publishing one topic copies one shard of pointers, not the whole table.

use crate::partition::{Partition, TopicConfig};
use arc_swap::{ArcSwap, Guard};
use hashbrown::HashMap;
use std::sync::Arc;

pub type TopicId = [u8; 16];

const SHARDS: usize = 64;

#[derive(Debug)]
pub struct Topic {
    pub name: Arc<str>,
    pub id: TopicId,
    pub is_internal: bool,
    pub config: Arc<TopicConfig>,
    /// By partition index. None where this node holds no replica.
    pub partitions: Vec<Option<Arc<Partition>>>,
}

impl Topic {
    pub fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.partitions.get(index))?
            .as_ref()
    }

    /// Whether the partition exists, here or on another node.
    pub fn has_partition(&self, index: i32) -> bool {
        usize::try_from(index).is_ok_and(|index| index < self.partitions.len())
    }
}

type Shard<K> = Arc<HashMap<K, Arc<Topic>>>;

#[derive(Clone)]
pub struct Snapshot {
    by_name: [Shard<Arc<str>>; SHARDS],
    by_id: [Shard<TopicId>; SHARDS],
}

impl Snapshot {
    pub fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name[name_shard(name)].get(name)
    }

    pub fn by_id(&self, id: &TopicId) -> Option<&Arc<Topic>> {
        self.by_id[id_shard(id)].get(id)
    }

    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_id.iter().flat_map(|shard| shard.values())
    }
}

pub struct PartitionTable {
    current: ArcSwap<Snapshot>,
}

impl Default for PartitionTable {
    fn default() -> PartitionTable {
        let snapshot = Snapshot {
            by_name: std::array::from_fn(|_| Arc::new(HashMap::new())),
            by_id: std::array::from_fn(|_| Arc::new(HashMap::new())),
        };
        PartitionTable {
            current: ArcSwap::from_pointee(snapshot),
        }
    }
}

impl PartitionTable {
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    pub fn load_full(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Publishes new and changed topics and takes out deleted ones, in one step. Only one thread publishes at a time.
    pub fn publish(&self, topics: Vec<Arc<Topic>>, deleted: &[TopicId]) {
        let mut next = Snapshot::clone(&self.current.load());
        for id in deleted {
            let shard = Arc::make_mut(&mut next.by_id[id_shard(id)]);
            if let Some(topic) = shard.remove(id) {
                let names = Arc::make_mut(&mut next.by_name[name_shard(&topic.name)]);
                // The name may already stand for a topic created after this one.
                if names.get(&topic.name).is_some_and(|known| known.id == *id) {
                    names.remove(&topic.name);
                }
            }
        }
        for topic in topics {
            Arc::make_mut(&mut next.by_name[name_shard(&topic.name)])
                .insert(Arc::clone(&topic.name), Arc::clone(&topic));
            Arc::make_mut(&mut next.by_id[id_shard(&topic.id)]).insert(topic.id, topic);
        }
        self.current.store(Arc::new(next));
    }
}

fn name_shard(name: &str) -> usize {
    // FNV-1a: the shard only spreads, the map inside hashes against floods.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 32) as usize % SHARDS
}

fn id_shard(id: &TopicId) -> usize {
    usize::from(id[15]) % SHARDS
}
