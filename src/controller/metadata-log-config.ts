// Owns the settings of the metadata log itself, which is no topic and obeys no topic's settings.
import type { BrokerConfig } from '#config'
import type { TopicNativeConfig } from '#native'

const NO_LIMIT = Number.MAX_SAFE_INTEGER

export function metadataLogConfig(config: BrokerConfig): TopicNativeConfig {
  return {
    segmentBytes: config.get('internal.metadata.log.segment.bytes') ?? config.get('metadata.log.segment.bytes'),
    segmentMs: config.number('metadata.log.segment.ms'),
    segmentJitterMs: 0,
    segmentIndexBytes: config.get('log.index.size.max.bytes'),
    indexIntervalBytes: config.get('log.index.interval.bytes'),
    maxMessageBytes: config.get('internal.metadata.max.batch.size.in.bytes'),
    messageTimestampType: 'CreateTime',
    messageTimestampBeforeMaxMs: NO_LIMIT,
    messageTimestampAfterMaxMs: NO_LIMIT,
    compressionType: 'producer',
    compressionLevel: undefined,
    // Cut before snapshots, never compacted.
    compacted: false,
    minCleanableDirtyRatio: 1,
    minCompactionLagMs: 0,
    maxCompactionLagMs: NO_LIMIT,
    deleteRetentionMs: NO_LIMIT,
    minInsyncReplicas: 1,
    // Each batch says by itself whether it waits for the disk.
    flushPolicy: 'sync',
    flushMessages: NO_LIMIT,
    flushMs: NO_LIMIT,
    deletes: false,
    retentionMs: -1,
    retentionBytes: -1,
    fileDeleteDelayMs: config.number('internal.metadata.delete.delay.millis'),
  }
}
