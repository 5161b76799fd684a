// Owns the step from images to what the data plane obeys: topics, leaders, the settings of logs, where brokers are.
// Invariant: what is published for a delta is what changed in it; publishing every delta in order gives the table of the image.
import { ResourceType, TopicConfig, type BrokerConfig } from '#config'
import { uuidToBytes } from '#host'
import type { PartitionTableBroker, PartitionTableDelta, PartitionTableTopic, TopicNativeConfig } from '#native'
import type { TopicImage } from './images.ts'
import type { MetadataDelta } from './metadata-delta.ts'
import type { MetadataImage } from './metadata-image.ts'

/** Everything in the image, for a data plane that knows nothing yet. */
export function partitionTable(image: MetadataImage, config: BrokerConfig): PartitionTableDelta {
  const topics = Array.from(image.topics.all(), topic => tableTopic(topic, image, config))
  return { topics, deletedTopicIds: [], brokers: tableBrokers(image) }
}

/** What `delta` changed, as `image`, which it was applied to become, has it. */
export function partitionTableDelta(
  delta: MetadataDelta,
  image: MetadataImage,
  config: BrokerConfig,
): PartitionTableDelta {
  const topics: PartitionTableTopic[] = []
  for (const topicId of delta.changedTopicIds) {
    const topic = image.topics.byId(topicId)
    if (topic) topics.push(tableTopic(topic, image, config))
  }
  const deletedTopicIds = delta.deletedTopics.map(({ topicId }) => uuidToBytes(topicId))
  return delta.changedBrokerIds.size === 0
    ? { topics, deletedTopicIds }
    : { topics, deletedTopicIds, brokers: tableBrokers(image) }
}

function tableTopic(topic: TopicImage, image: MetadataImage, config: BrokerConfig): PartitionTableTopic {
  return {
    name: topic.name,
    topicId: uuidToBytes(topic.topicId),
    internal: topic.internal,
    config: nativeTopicConfig(config, image.configs.get(ResourceType.TOPIC, topic.name)),
    partitions: topic.partitions.map(({ partition, leader, leaderEpoch, replicas, isr }) => ({
      partition,
      leaderId: leader,
      leaderEpoch,
      replicas,
      isr,
    })),
  }
}

/** Every listener of every broker that can be reached; few, so they are always listed whole. */
function tableBrokers(image: MetadataImage): readonly PartitionTableBroker[] {
  return [...image.brokers.values()]
    .filter(broker => !broker.fenced)
    .flatMap(({ nodeId, rack, listeners }) =>
      listeners.map(({ name, host, port }) => ({
        nodeId,
        host,
        port,
        listener: name,
        ...(rack === null ? {} : { rack }),
      })),
    )
}

/** Settings of topics without own ones are the same for all of them: resolved once for each broker configuration. */
const defaults = new WeakMap<BrokerConfig, TopicNativeConfig>()

export function nativeTopicConfig(config: BrokerConfig, overrides: ReadonlyMap<string, string>): TopicNativeConfig {
  if (overrides.size > 0) return resolve(new TopicConfig(config, overrides))
  let resolved = defaults.get(config)
  if (resolved === undefined) {
    resolved = resolve(config.topicDefaults)
    defaults.set(config, resolved)
  }
  return resolved
}

function resolve(topic: TopicConfig): TopicNativeConfig {
  return {
    // Tests set a size below what segment.bytes allows.
    segmentBytes: topic.get('internal.segment.bytes') ?? topic.number('segment.bytes'),
    segmentMs: topic.number('segment.ms'),
    segmentJitterMs: topic.number('segment.jitter.ms'),
    segmentIndexBytes: topic.number('segment.index.bytes'),
    indexIntervalBytes: topic.number('index.interval.bytes'),
    maxMessageBytes: topic.number('max.message.bytes'),
    messageTimestampType: topic.get('message.timestamp.type') as TopicNativeConfig['messageTimestampType'],
    messageTimestampBeforeMaxMs: topic.number('message.timestamp.before.max.ms'),
    messageTimestampAfterMaxMs: topic.number('message.timestamp.after.max.ms'),
    compressionType: topic.get('compression.type') as TopicNativeConfig['compressionType'],
    compressionLevel: compressionLevel(topic),
    compacted: topic.get('cleanup.policy').includes('compact'),
    minCleanableDirtyRatio: topic.number('min.cleanable.dirty.ratio'),
    minCompactionLagMs: topic.number('min.compaction.lag.ms'),
    maxCompactionLagMs: topic.number('max.compaction.lag.ms'),
    deleteRetentionMs: topic.number('delete.retention.ms'),
    minInsyncReplicas: topic.number('min.insync.replicas'),
    flushPolicy: topic.get('flush.policy') as TopicNativeConfig['flushPolicy'],
    flushMessages: topic.number('flush.messages'),
    flushMs: topic.number('flush.ms'),
    deletes: topic.get('cleanup.policy').includes('delete'),
    retentionMs: topic.number('retention.ms'),
    retentionBytes: topic.number('retention.bytes'),
    fileDeleteDelayMs: topic.number('file.delete.delay.ms'),
  }
}

function compressionLevel(topic: TopicConfig): number | undefined {
  switch (topic.get('compression.type')) {
    case 'gzip': {
      const level = topic.number('compression.gzip.level')
      return level === -1 ? undefined : level
    }
    case 'lz4':
      return topic.number('compression.lz4.level')
    case 'zstd':
      return topic.number('compression.zstd.level')
    default:
      return undefined
  }
}
