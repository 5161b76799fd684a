// Owns the step from one image to the next: records go in, an image and a list of what changed come out.
// Never decides: a record that does not fit the image is a broken log, and stops the node.
// Invariant: one delta costs as much as its records, not as the cluster; a delta is applied once and then only read.
import { assert, AssertionError } from '#host'
import type { ControlRecord, MetadataRecord, MetadataRecordOf } from '#protocol'
import {
  type BrokerImage,
  isInternalTopic,
  type ListenerImage,
  type PartitionImage,
  type TopicImage,
} from './images.ts'
import { keptRecordKey } from './kept-records.ts'
import { MetadataImage } from './metadata-image.ts'

const TOPIC_RESOURCE = 2
/** PartitionChangeRecord: the leader did not change, and with it not the leader epoch. */
const LEADER_UNCHANGED = -2

type RecordOf<T extends MetadataRecord['type']> = MetadataRecordOf<T>

export class MetadataDelta {
  readonly base: MetadataImage
  #image: { -readonly [K in keyof MetadataImage]: MetadataImage[K] }
  #applied = false
  #changedTopicIds = new Set<string>()
  #deletedTopics = new Map<string, TopicImage>()
  #changedBrokerIds = new Set<number>()
  #featuresChanged = false
  /** Own copies of maps that the base shares: made at the first change. */
  #ownBrokers: Map<number, BrokerImage> | undefined
  readonly #ownConfigs = new Map<string, Map<string, string>>()
  /** Topics in the making: their partitions are pushed in place until the delta is applied. */
  readonly #ownPartitions = new Map<string, PartitionImage[]>()

  constructor(base: MetadataImage) {
    this.base = base
    // oxlint-disable-next-line typescript/no-misused-spread -- a draft of the fields; the image is made from it in apply
    this.#image = { ...base }
  }

  /** Topics that exist after the delta and were made, changed, or given other settings by it. */
  get changedTopicIds(): ReadonlySet<string> {
    return this.#changedTopicIds
  }

  /** Topics of the base that do not exist any more. */
  get deletedTopics(): readonly TopicImage[] {
    return [...this.#deletedTopics.values()]
  }

  /** Brokers that were registered, changed or removed. */
  get changedBrokerIds(): ReadonlySet<number> {
    return this.#changedBrokerIds
  }

  get featuresChanged(): boolean {
    return this.#featuresChanged
  }

  replay(record: MetadataRecord): void {
    assert(!this.#applied, 'a delta takes no records after it was applied')
    if (this.#image.transaction === null) {
      if (record.type === 'BeginTransactionRecord') this.#image.transaction = []
      else this.#replay(record)
      return
    }
    this.#replayInTransaction(this.#image.transaction, record)
  }

  /** Leader changes and snapshot frames say nothing about the cluster; the rest says who votes. */
  replayControl(record: ControlRecord): void {
    assert(!this.#applied, 'a delta takes no records after it was applied')
    if (record.type === 'KRaftVersion') {
      this.#image.quorum = { ...this.#image.quorum, kraftVersion: record.kRaftVersion }
    } else if (record.type === 'KRaftVoters') {
      this.#image.quorum = { ...this.#image.quorum, voters: record.voters }
    }
  }

  /** The image at `offset`, which a batch of leader epoch `epoch` holds. */
  apply(at: { readonly offset: bigint; readonly epoch: number }): MetadataImage {
    assert(!this.#applied, 'a delta is applied once')
    assert(at.offset >= this.base.offset, 'an image never moves back')
    this.#applied = true
    for (const [topicId, partitions] of this.#ownPartitions) {
      const topic = this.#image.topics.byId(topicId)
      assert(topic, 'a topic in the making exists')
      this.#image.topics = this.#image.topics.with({ ...topic, partitions })
    }
    for (const [key, configs] of this.#ownConfigs) {
      const colon = key.indexOf(':')
      this.#image.configs = this.#image.configs.with(Number(key.slice(0, colon)), key.slice(colon + 1), configs)
    }
    return new MetadataImage({ ...this.#image, offset: at.offset, epoch: at.epoch })
  }

  #replayInTransaction(pending: readonly MetadataRecord[], record: MetadataRecord): void {
    assert(record.type !== 'BeginTransactionRecord', 'transactions of the metadata log do not nest')
    if (record.type === 'AbortTransactionRecord') {
      this.#image.transaction = null
    } else if (record.type === 'EndTransactionRecord') {
      this.#image.transaction = null
      for (const held of pending) this.#replay(held)
    } else {
      this.#image.transaction = [...pending, record]
    }
  }

  #replay(record: MetadataRecord): void {
    switch (record.type) {
      case 'TopicRecord':
        return this.#createTopic(record)
      case 'PartitionRecord':
        return this.#createPartition(record)
      case 'PartitionChangeRecord':
        return this.#changePartition(record)
      case 'RemoveTopicRecord':
        return this.#removeTopic(record)
      case 'ConfigRecord':
        return this.#setConfig(record)
      case 'RegisterBrokerRecord':
        return this.#registerBroker(record)
      case 'UnregisterBrokerRecord':
        this.#changedBrokerIds.add(record.brokerId)
        this.#brokers().delete(record.brokerId)
        return
      case 'FenceBrokerRecord':
        return this.#changeBroker(record.id, record.epoch, { fenced: true })
      case 'UnfenceBrokerRecord':
        return this.#changeBroker(record.id, record.epoch, { fenced: false })
      case 'BrokerRegistrationChangeRecord':
        return this.#changeRegistration(record)
      case 'RegisterControllerRecord':
        return this.#registerController(record)
      case 'FeatureLevelRecord':
        return this.#setFeature(record)
      case 'ProducerIdsRecord':
        this.#image.nextProducerId = record.nextProducerId
        return
      case 'ClearElrRecord':
        return this.#clearElr(record)
      case 'AccessControlEntryRecord':
      case 'UserScramCredentialRecord':
      case 'DelegationTokenRecord':
      case 'ClientQuotaRecord':
      case 'RemoveAccessControlEntryRecord':
      case 'RemoveUserScramCredentialRecord':
      case 'RemoveDelegationTokenRecord':
        return this.#keep(record)
      case 'NoOpRecord':
      case 'ZkMigrationStateRecord':
        return
      case 'BeginTransactionRecord':
      case 'EndTransactionRecord':
      case 'AbortTransactionRecord':
        throw new AssertionError(`${record.type} outside of a transaction`)
      default:
        record satisfies never
    }
  }

  #createTopic({ name, topicId }: RecordOf<'TopicRecord'>): void {
    assert(this.#image.topics.byName(name) === undefined, `topic ${name} is created while it exists`)
    this.#image.topics = this.#image.topics.with({ name, topicId, internal: isInternalTopic(name), partitions: [] })
    this.#changedTopicIds.add(topicId)
  }

  #createPartition(record: RecordOf<'PartitionRecord'>): void {
    const partitions = this.#partitions(record.topicId)
    // A snapshot of Kafka's lists partitions in any order; holes are filled before the delta is applied.
    partitions[record.partitionId] = {
      partition: record.partitionId,
      leader: record.leader,
      leaderEpoch: record.leaderEpoch,
      partitionEpoch: record.partitionEpoch,
      replicas: record.replicas,
      isr: record.isr,
      elr: record.eligibleLeaderReplicas ?? [],
      lastKnownElr: record.lastKnownElr ?? [],
      directories: record.directories,
      removing: record.removingReplicas,
      adding: record.addingReplicas,
      leaderRecoveryState: record.leaderRecoveryState,
    }
  }

  #changePartition(record: RecordOf<'PartitionChangeRecord'>): void {
    const partitions = this.#partitions(record.topicId)
    const before = partitions[record.partitionId]
    assert(before, `partition ${record.partitionId} of topic id ${record.topicId} changes and does not exist`)
    const sameLeader = record.leader === LEADER_UNCHANGED
    partitions[record.partitionId] = {
      partition: record.partitionId,
      leader: sameLeader ? before.leader : record.leader,
      leaderEpoch: sameLeader ? before.leaderEpoch : before.leaderEpoch + 1,
      partitionEpoch: before.partitionEpoch + 1,
      replicas: record.replicas ?? before.replicas,
      isr: record.isr ?? before.isr,
      elr: record.eligibleLeaderReplicas ?? before.elr,
      lastKnownElr: record.lastKnownElr ?? before.lastKnownElr,
      directories: record.directories ?? before.directories,
      removing: record.removingReplicas ?? before.removing,
      adding: record.addingReplicas ?? before.adding,
      leaderRecoveryState: record.leaderRecoveryState < 0 ? before.leaderRecoveryState : record.leaderRecoveryState,
    }
  }

  /** The partitions of a topic, to be changed in place until the delta is applied. */
  #partitions(topicId: string): PartitionImage[] {
    let own = this.#ownPartitions.get(topicId)
    if (own === undefined) {
      const topic = this.#image.topics.byId(topicId)
      assert(topic, `a partition of topic id ${topicId} changes and the topic does not exist`)
      own = [...topic.partitions]
      this.#ownPartitions.set(topicId, own)
    }
    this.#changedTopicIds.add(topicId)
    return own
  }

  #removeTopic({ topicId }: RecordOf<'RemoveTopicRecord'>): void {
    const topic = this.#image.topics.byId(topicId)
    assert(topic, `topic id ${topicId} is removed and does not exist`)
    this.#image.topics = this.#image.topics.without(topic)
    this.#ownPartitions.delete(topicId)
    this.#changedTopicIds.delete(topicId)
    const inBase = this.base.topics.byId(topicId)
    if (inBase) this.#deletedTopics.set(topicId, inBase)
    // As in Kafka, removing a topic removes its settings; no records say so.
    this.#ownConfigs.set(`${TOPIC_RESOURCE}:${topic.name}`, new Map())
  }

  #setConfig({ resourceType, resourceName, name, value }: RecordOf<'ConfigRecord'>): void {
    const key = `${resourceType}:${resourceName}`
    let own = this.#ownConfigs.get(key)
    if (own === undefined) {
      own = new Map(this.#image.configs.get(resourceType, resourceName))
      this.#ownConfigs.set(key, own)
    }
    if (value === null) own.delete(name)
    else own.set(name, value)
    const topic = resourceType === TOPIC_RESOURCE ? this.#image.topics.byName(resourceName) : undefined
    if (topic) this.#changedTopicIds.add(topic.topicId)
  }

  #registerBroker(record: RecordOf<'RegisterBrokerRecord'>): void {
    this.#changedBrokerIds.add(record.brokerId)
    this.#brokers().set(record.brokerId, {
      nodeId: record.brokerId,
      incarnationId: record.incarnationId,
      brokerEpoch: record.brokerEpoch,
      listeners: record.endPoints,
      rack: record.rack,
      fenced: record.fenced,
      inControlledShutdown: record.inControlledShutdown,
      features: record.features,
      directories: record.logDirs,
      cordonedDirectories: record.cordonedLogDirs ?? [],
    })
  }

  #changeRegistration(record: RecordOf<'BrokerRegistrationChangeRecord'>): void {
    this.#changeBroker(record.brokerId, record.brokerEpoch, {
      ...(record.fenced === 0 ? {} : { fenced: record.fenced > 0 }),
      ...(record.inControlledShutdown === 0 ? {} : { inControlledShutdown: record.inControlledShutdown > 0 }),
      ...(record.logDirs.length === 0 ? {} : { directories: record.logDirs }),
      ...(record.cordonedLogDirs === null ? {} : { cordonedDirectories: record.cordonedLogDirs }),
    })
  }

  #changeBroker(nodeId: number, brokerEpoch: bigint, change: Partial<BrokerImage>): void {
    const before = this.#image.brokers.get(nodeId)
    assert(before, `broker ${nodeId} changes and is not registered`)
    assert(
      before.brokerEpoch === brokerEpoch,
      `broker ${nodeId} changes in epoch ${brokerEpoch}, it is in ${before.brokerEpoch}`,
    )
    this.#changedBrokerIds.add(nodeId)
    this.#brokers().set(nodeId, { ...before, ...change })
  }

  #brokers(): Map<number, BrokerImage> {
    this.#ownBrokers ??= new Map(this.base.brokers)
    this.#image.brokers = this.#ownBrokers
    return this.#ownBrokers
  }

  #registerController(record: RecordOf<'RegisterControllerRecord'>): void {
    const listeners: readonly ListenerImage[] = record.endPoints
    this.#image.controllers = new Map(this.#image.controllers).set(record.controllerId, {
      nodeId: record.controllerId,
      incarnationId: record.incarnationId,
      zkMigrationReady: record.zkMigrationReady,
      listeners,
      features: record.features,
    })
  }

  #setFeature({ name, featureLevel }: RecordOf<'FeatureLevelRecord'>): void {
    const features = new Map(this.#image.features)
    if (featureLevel === 0) features.delete(name)
    else features.set(name, featureLevel)
    this.#image.features = features
    this.#featuresChanged = true
  }

  #clearElr({ topicName }: RecordOf<'ClearElrRecord'>): void {
    const named = topicName === '' ? [...this.#image.topics.all()] : [this.#image.topics.byName(topicName)]
    for (const topic of named) {
      assert(topic, `the eligible leader replicas of ${topicName} are cleared and it does not exist`)
      const current = this.#ownPartitions.get(topic.topicId) ?? topic.partitions
      if (current.every(partition => partition.elr.length === 0 && partition.lastKnownElr.length === 0)) continue
      const partitions = this.#partitions(topic.topicId)
      partitions.forEach((partition, index) => {
        partitions[index] = { ...partition, elr: [], lastKnownElr: [] }
      })
    }
  }

  #keep(record: MetadataRecord): void {
    const { key, removes } = keptRecordKey(record)
    this.#image.kept = removes ? this.#image.kept.delete(key) : this.#image.kept.set(key, record)
  }
}
