//! Owns taking over what the control plane published: topics and partitions appear, change and go, with their logs.
//! Invariant: when a publication returns, every partition it names takes requests, or is listed as failed.

use super::Broker;
use super::removal::Removal;
use super::threads::in_parallel;
use crate::error::BrokerError;
use crate::log_dirs::LogDirs;
use crate::partition::{
    Assignment, Effects, Partition, PartitionName, PartitionSettings, TopicConfig,
};
use crate::partition_table::{Topic, TopicId};
use crate::shared::lock;
use hashbrown::HashMap;
use millrace_host::clock;
use millrace_log::OpenError;
use millrace_wire::error_codes;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[derive(Debug, Clone)]
pub struct PublishedPartition {
    pub partition: i32,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
}

#[derive(Debug, Clone)]
pub struct PublishedTopic {
    pub name: String,
    pub topic_id: TopicId,
    pub is_internal: bool,
    pub config: TopicConfig,
    pub partitions: Vec<PublishedPartition>,
}

#[derive(Debug, Clone, Default)]
pub struct Delta {
    pub topics: Vec<PublishedTopic>,
    pub deleted_topic_ids: Vec<TopicId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishFailure {
    pub topic_id: TopicId,
    pub partition: i32,
    pub error_code: i16,
    pub message: String,
}

/// What came of a publication.
#[derive(Debug, PartialEq, Eq)]
pub enum Publication {
    Done(Vec<PublishFailure>),
    /// These partitions have to be recovered first; `publish_held` then takes the publication over.
    Recovering(Vec<(TopicId, i32)>),
}

/// A partition that is new to this node.
pub(super) struct Opening {
    topic_id: TopicId,
    index: i32,
    name: Arc<str>,
    config: Arc<TopicConfig>,
    assignment: Assignment,
    /// The cluster got it while this node served: it lies nowhere yet, unless an earlier start began it.
    is_new: bool,
}

/// Topic id and partition, with what became of it.
pub(super) type OpenedPartition = (TopicId, i32, Result<Arc<Partition>, (i16, String)>);

/// A publication that has not been taken over yet.
pub(super) struct HeldPublication {
    delta: Delta,
    /// Name and settings of each topic in the delta, shared with what the table knows already.
    known: HashMap<TopicId, (Arc<str>, Arc<TopicConfig>)>,
    openings: HashMap<(TopicId, i32), Opening>,
    opened: Vec<OpenedPartition>,
    /// Openings somebody took to open and has not brought back.
    under_way: usize,
}

impl HeldPublication {
    pub(super) fn take_opening(&mut self, topic_id: &TopicId, index: i32) -> Option<Opening> {
        let opening = self.openings.remove(&(*topic_id, index))?;
        self.under_way += 1;
        Some(opening)
    }

    pub(super) fn bring_back(&mut self, opened: OpenedPartition) {
        self.under_way -= 1;
        self.opened.push(opened);
    }
}

impl Broker {
    /// Takes a publication over, recovering on this thread what has to be recovered.
    pub fn publish(&self, delta: &Delta) -> Result<Vec<PublishFailure>, BrokerError> {
        match self.begin_publish(delta.clone())? {
            Publication::Done(failures) => Ok(failures),
            Publication::Recovering(_) => self.publish_held(),
        }
    }

    /// Takes a publication over, unless partitions of it have to be recovered: then it is held, for jobs to do that and `publish_held` to
    /// go on. One publication at a time.
    pub fn begin_publish(&self, delta: Delta) -> Result<Publication, BrokerError> {
        // None while closing.
        let life = self.life()?;
        let serves = !life.reactors.is_empty();
        if lock(&self.held).is_some() {
            return Err(BrokerError::new("BUSY", "a publication is held"));
        }
        let log_dirs = self.opened_log_dirs()?;
        self.remove_topics(&delta.deleted_topic_ids, log_dirs);
        let held = self.prepare(delta, serves);
        let recovering: Vec<_> = if log_dirs.iter().all(|dir| dir.is_clean) {
            Vec::new()
        } else {
            let openings = held.openings.iter();
            openings
                .filter(|(_, opening)| log_dirs.must_recover(&opening.name, opening.index))
                .map(|(key, _)| *key)
                .collect()
        };
        if recovering.is_empty() {
            return Ok(Publication::Done(self.take_over(held)));
        }
        self.recovery
            .logs_left
            .fetch_add(recovering.len() as u64, Ordering::Relaxed);
        *lock(&self.held) = Some(held);
        Ok(Publication::Recovering(recovering))
    }

    /// Takes over what `begin_publish` held. What no job has opened is opened here.
    pub fn publish_held(&self) -> Result<Vec<PublishFailure>, BrokerError> {
        let _life = self.life()?;
        let held = {
            let mut held = lock(&self.held);
            if held.as_ref().is_some_and(|held| held.under_way > 0) {
                return Err(BrokerError::new("BUSY", "partitions are being recovered"));
            }
            held.take()
        };
        let held = held.ok_or_else(|| BrokerError::new("NOT_HELD", "no publication is held"))?;
        let failures = self.take_over(held);
        self.recovery.logs_left.store(0, Ordering::Relaxed);
        Ok(failures)
    }

    pub(super) fn opened_log_dirs(&self) -> Result<&Arc<LogDirs>, BrokerError> {
        self.log_dirs
            .get()
            .ok_or_else(|| BrokerError::new("NOT_OPEN", "the log directories are not open"))
    }

    /// Tells partitions that are open what changed, and lists those to open.
    fn prepare(&self, delta: Delta, serves: bool) -> HeldPublication {
        let table = self.shared.table.load_full();
        let node_id = self.shared.options.node_id;
        let mut openings = HashMap::new();
        let mut known = HashMap::new();
        for topic in &delta.topics {
            let before = table.by_id(&topic.topic_id);
            let name = before.map_or_else(
                || Arc::from(topic.name.as_str()),
                |before| Arc::clone(&before.name),
            );
            let config = match before {
                Some(before) if *before.config == topic.config => Arc::clone(&before.config),
                Some(_) | None => Arc::new(topic.config.clone()),
            };
            for published in topic
                .partitions
                .iter()
                .filter(|published| published.replicas.contains(&node_id))
            {
                let assignment = assignment(published);
                match before.and_then(|before| before.partition(published.partition)) {
                    Some(partition) => {
                        let mut effects = Effects::default();
                        partition.on_published(assignment, &config, &mut effects);
                        let sync_need = std::mem::take(&mut effects.sync_need);
                        self.shared.apply(&mut effects);
                        self.shared.bring_about(sync_need, partition);
                    }
                    None => {
                        let opening = Opening {
                            topic_id: topic.topic_id,
                            index: published.partition,
                            name: Arc::clone(&name),
                            config: Arc::clone(&config),
                            assignment,
                            is_new: serves,
                        };
                        openings.insert((topic.topic_id, published.partition), opening);
                    }
                }
            }
            known.insert(topic.topic_id, (name, config));
        }
        HeldPublication {
            delta,
            known,
            openings,
            opened: Vec::new(),
            under_way: 0,
        }
    }

    fn take_over(&self, held: HeldPublication) -> Vec<PublishFailure> {
        let HeldPublication {
            delta,
            mut known,
            openings,
            mut opened,
            ..
        } = held;
        let openings: Vec<Opening> = openings.into_values().collect();
        // Opening after a clean stop is a few system calls; many of them are worth threads, and so is recovery.
        let threads = if openings.len() < 32 {
            1
        } else {
            let options = &self.shared.options;
            options.recovery_threads_per_data_dir * options.log_dirs.len()
        };
        opened.extend(in_parallel(&openings, threads, |opening| {
            self.open_partition(opening)
        }));
        let mut failures = Vec::new();
        let mut opened_partitions = Vec::new();
        let mut new_partitions: HashMap<(TopicId, i32), Arc<Partition>> = HashMap::new();
        for (topic_id, partition, outcome) in opened {
            match outcome {
                Ok(open) => {
                    opened_partitions.push(Arc::clone(&open));
                    new_partitions.insert((topic_id, partition), open);
                }
                Err((error_code, message)) => failures.push(PublishFailure {
                    topic_id,
                    partition,
                    error_code,
                    message,
                }),
            }
        }
        let table = self.shared.table.load_full();
        let mut topics = Vec::with_capacity(delta.topics.len());
        for topic in &delta.topics {
            let (name, config) = known.remove(&topic.topic_id).unwrap_or_else(|| {
                (
                    Arc::from(topic.name.as_str()),
                    Arc::new(topic.config.clone()),
                )
            });
            let mut partitions = table
                .by_id(&topic.topic_id)
                .map(|before| before.partitions.clone())
                .unwrap_or_default();
            for published in &topic.partitions {
                let Ok(index) = usize::try_from(published.partition) else {
                    continue;
                };
                if partitions.len() <= index {
                    partitions.resize(index + 1, None);
                }
                if let Some(open) = new_partitions.remove(&(topic.topic_id, published.partition)) {
                    partitions[index] = Some(open);
                }
            }
            topics.push(Arc::new(Topic {
                name,
                id: topic.topic_id,
                is_internal: topic.is_internal,
                config,
                partitions,
            }));
        }
        self.shared.table.publish(topics, &delta.deleted_topic_ids);
        // What the checkpoints say of one that is offline holds until it is not.
        for partition in opened_partitions
            .iter()
            .filter(|partition| !partition.is_offline())
        {
            partition
                .log_dir
                .on_opened(&partition.topic_name, partition.index);
        }
        failures
    }

    pub(super) fn open_partition(&self, opening: &Opening) -> OpenedPartition {
        let Opening {
            topic_id,
            index,
            name,
            config,
            assignment,
            is_new,
        } = opening;
        let (topic_id, index) = (*topic_id, *index);
        if index < 0 {
            return (
                topic_id,
                index,
                Err((
                    error_codes::INVALID_PARTITIONS,
                    "partitions count from 0".to_string(),
                )),
            );
        }
        let options = &self.shared.options;
        let settings = PartitionSettings {
            node_id: options.node_id,
            producer_ids_max: options.producer_ids_per_partition_max,
            producer_id_expiration_ms: options.producer_id_expiration_ms,
        };
        let log_dirs = self
            .log_dirs
            .get()
            .expect("checked before partitions are opened");
        log_dirs
            .iter()
            .for_each(|dir| dir.wait_for_name(name, index));
        let log_dir = Arc::clone(log_dirs.place(name, index, *is_new));
        let identity = || PartitionName {
            topic_name: Arc::clone(name),
            topic_id,
            index,
        };
        let offline = || {
            Arc::new(Partition::offline(
                identity(),
                Arc::clone(&log_dir),
                *assignment,
                Arc::clone(config),
                settings,
            ))
        };
        if log_dir.is_offline() {
            // Whoever took the directory offline has said so, and why.
            return (topic_id, index, Ok(offline()));
        }
        let open = || {
            Partition::open(
                identity(),
                Arc::clone(&log_dir),
                *assignment,
                Arc::clone(config),
                settings,
                clock::wall_ms(),
                &self.recovery.progress,
            )
        };
        let opened = match open() {
            Err(OpenError::InconsistentTopicId { .. })
                if log_dir.set_aside(name, index).is_ok() =>
            {
                open()
            }
            opened => opened,
        };
        let opened = match opened {
            Ok(open) => Ok(Arc::new(open)),
            Err(error) => {
                log_dir.note_unopenable(name, index);
                Err((error.kafka_code(), error.to_string()))
            }
        };
        (topic_id, index, opened)
    }

    /// Everyone waiting is told at once; the directories are renamed on a sync thread and removed later.
    fn remove_topics(&self, deleted: &[TopicId], log_dirs: &Arc<LogDirs>) {
        let table = self.shared.table.load_full();
        let topics: Vec<_> = deleted
            .iter()
            .filter_map(|id| table.by_id(id).cloned())
            .collect();
        if topics.is_empty() {
            return;
        }
        for partition in topics
            .iter()
            .flat_map(|topic| topic.partitions.iter())
            .flatten()
        {
            let mut effects = Effects::default();
            partition
                .log_dir
                .begin_delete(&partition.topic_name, partition.index);
            partition.remove(&mut effects);
            self.shared.apply(&mut effects);
        }
        Removal::start(
            &topics,
            Arc::clone(&self.maintenance),
            Arc::clone(&self.shared),
            Arc::clone(log_dirs),
        );
    }
}

fn assignment(published: &PublishedPartition) -> Assignment {
    Assignment {
        leader_id: published.leader_id,
        leader_epoch: published.leader_epoch,
        in_sync_replicas: u32::try_from(published.isr.len()).expect("few replicas"),
    }
}
