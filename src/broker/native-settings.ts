// Owns the step from Kafka's settings to the options of the data plane. Never adds a default: those are in #config.
import type { BrokerConfig } from '#config'
import type { BrokerOptions } from '#native'
import type { NodeIdentity } from './node-identity.ts'

export function nativeSettings(config: BrokerConfig, identity: NodeIdentity): BrokerOptions {
  return {
    nodeId: identity.nodeId,
    clusterId: identity.clusterId,
    logDirs: config.logDirs,
    networkThreads: config.number('num.network.threads'),
    socketRequestMaxBytes: config.number('socket.request.max.bytes'),
    queuedMaxRequestBytes: config.number('queued.max.request.bytes'),
    maxConnections: config.number('max.connections'),
    maxConnectionsPerIp: config.number('max.connections.per.ip'),
    connectionsMaxIdleMs: config.number('connections.max.idle.ms'),
    socketSendBufferBytes: config.number('socket.send.buffer.bytes'),
    socketReceiveBufferBytes: config.number('socket.receive.buffer.bytes'),
    fetchMaxBytes: config.number('fetch.max.bytes'),
    maxIncrementalFetchSessionCacheSlots: config.number('max.incremental.fetch.session.cache.slots'),
    producerIdExpirationMs: config.number('producer.id.expiration.ms'),
    logFlushOffsetCheckpointIntervalMs: config.number('log.flush.offset.checkpoint.interval.ms'),
    logRetentionCheckIntervalMs: config.number('log.retention.check.interval.ms'),
    logInitialTaskDelayMs: config.number('log.initial.task.delay.ms'),
    numRecoveryThreadsPerDataDir: config.number('num.recovery.threads.per.data.dir'),
    logCleanerThreads: config.number('log.cleaner.threads'),
    logCleanerDedupeBufferSize: config.number('log.cleaner.dedupe.buffer.size'),
    logCleanerIoBufferLoadFactor: config.number('log.cleaner.io.buffer.load.factor'),
    logCleanerIoBufferSize: config.number('log.cleaner.io.buffer.size'),
    logCleanerIoMaxBytesPerSecond: config.number('log.cleaner.io.max.bytes.per.second'),
  }
}
