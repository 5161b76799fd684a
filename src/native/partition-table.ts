// Owns the shape of what the control plane pushes down: topics, leaders and the topic settings the log obeys.
// Never holds logic; `#metadata` makes these values from an image.

/** Settings of one topic that the log and the produce path obey. Times in ms, sizes in bytes; "no limit" is MAX_SAFE_INTEGER, for retention -1. */
export interface TopicNativeConfig {
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly segmentJitterMs: number
  readonly segmentIndexBytes: number
  readonly indexIntervalBytes: number
  readonly maxMessageBytes: number
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime'
  readonly messageTimestampBeforeMaxMs: number
  readonly messageTimestampAfterMaxMs: number
  readonly compressionType: 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  /** Of that codec; undefined for its own default. */
  readonly compressionLevel: number | undefined
  readonly compacted: boolean
  readonly minCleanableDirtyRatio: number
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  readonly deleteRetentionMs: number
  readonly minInsyncReplicas: number
  readonly flushPolicy: 'sync' | 'replicated' | 'relaxed'
  readonly flushMessages: number
  readonly flushMs: number
  /** Segments go by age and size. */
  readonly deletes: boolean
  readonly retentionMs: number
  readonly retentionBytes: number
  readonly fileDeleteDelayMs: number
}

export interface PartitionTablePartition {
  readonly partition: number
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

export interface PartitionTableTopic {
  readonly name: string
  /** 16 bytes. */
  readonly topicId: Buffer
  readonly internal: boolean
  readonly config: TopicNativeConfig
  readonly partitions: readonly PartitionTablePartition[]
}

export interface PartitionTableBroker {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack?: string
  readonly listener: string
}

export interface PartitionTableDelta {
  readonly topics: readonly PartitionTableTopic[]
  /** 16 bytes each. */
  readonly deletedTopicIds: readonly Buffer[]
  readonly brokers?: readonly PartitionTableBroker[]
}

export interface PublishFailure {
  readonly topicId: Buffer
  readonly partition: number
  readonly errorCode: number
  readonly message: string
}

export interface RecoveringPartition {
  readonly topicId: Buffer
  readonly partition: number
}

export interface PublishResult {
  readonly failures: readonly PublishFailure[]
  /** Not empty: the publication is held until these are recovered and `publishHeld` is called. */
  readonly recovering: readonly RecoveringPartition[]
}
