// Owns what a client believes about the cluster: brokers, topics, leaders. Pure: Metadata responses come in. Never asks for one.
// Invariant: within one topic id the leader epoch of a partition never moves back, whichever broker answered last (KIP-320).
import { ErrorCode, type MetadataResponse, ZERO_UUID } from '#protocol'
import type { BrokerAddress } from './bootstrap-servers.ts'

export interface BrokerNode extends BrokerAddress {
  readonly nodeId: number
  readonly rack: string | null
}

export interface PartitionMetadata {
  readonly partition: number
  /** null while there is no leader. */
  readonly leaderId: number | null
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly offlineReplicas: readonly number[]
  readonly errorCode: number
}

export interface TopicMetadata {
  readonly name: string
  /** null when the broker is too old to tell. */
  readonly topicId: string | null
  readonly isInternal: boolean
  /** Index = partition. */
  readonly partitions: readonly PartitionMetadata[]
}

export class ClusterMetadata {
  #brokers: ReadonlyMap<number, BrokerNode> = new Map()
  readonly #topics = new Map<string, TopicMetadata>()
  readonly #topicNames = new Map<string, string>()
  readonly #topicErrors = new Map<string, number>()
  #clusterId: string | null = null
  #controllerId: number | null = null
  #updatedAtMs = Number.NEGATIVE_INFINITY

  get brokers(): ReadonlyMap<number, BrokerNode> {
    return this.#brokers
  }

  get clusterId(): string | null {
    return this.#clusterId
  }

  /** In a KRaft cluster any live broker is reported here: it forwards. */
  get controller(): BrokerNode | undefined {
    return this.#controllerId === null ? undefined : this.#brokers.get(this.#controllerId)
  }

  get updatedAtMs(): number {
    return this.#updatedAtMs
  }

  topic(name: string): TopicMetadata | undefined {
    return this.#topics.get(name)
  }

  topicNameOf(topicId: string): string | undefined {
    return this.#topicNames.get(topicId)
  }

  /** The error the last response gave for a topic, NONE when it was fine or never asked about. */
  topicError(name: string): number {
    return this.#topicErrors.get(name) ?? ErrorCode.NONE
  }

  leaderOf(topic: string, partition: number): { readonly node: BrokerNode; readonly leaderEpoch: number } | undefined {
    const known = this.#topics.get(topic)?.partitions[partition]
    if (!known || known.leaderId === null) return undefined
    const node = this.#brokers.get(known.leaderId)
    return node && { node, leaderEpoch: known.leaderEpoch }
  }

  apply(response: MetadataResponse, nowMs: number): void {
    this.#brokers = new Map(
      response.brokers.map(({ nodeId, host, port, rack }) => [nodeId, { nodeId, host, port, rack }]),
    )
    this.#clusterId = response.clusterId
    this.#controllerId = response.controllerId < 0 ? null : response.controllerId
    this.#updatedAtMs = nowMs
    for (const topic of response.topics) this.#applyTopic(topic)
  }

  /** A produce or fetch answer named the new leader (KIP-951): no need to wait for the next Metadata. */
  leaderMoved(topic: string, partition: number, leaderId: number, leaderEpoch: number): boolean {
    const known = this.#topics.get(topic)
    const before = known?.partitions[partition]
    if (!known || !before || leaderId < 0 || leaderEpoch <= before.leaderEpoch || !this.#brokers.has(leaderId))
      return false
    const partitions = [...known.partitions]
    partitions[partition] = { ...before, leaderId, leaderEpoch }
    this.#topics.set(topic, { ...known, partitions })
    return true
  }

  #applyTopic(topic: MetadataResponse['topics'][number]): void {
    const name = topic.name ?? this.#topicNames.get(topic.topicId)
    if (name === undefined) return
    this.#topicErrors.set(name, topic.errorCode)
    // An error without partitions keeps what we knew: the topic may only be briefly out of sight.
    if (topic.errorCode !== ErrorCode.NONE && topic.partitions.length === 0) {
      if (topic.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION || topic.errorCode === ErrorCode.UNKNOWN_TOPIC_ID)
        this.#forget(name)
      return
    }
    const topicId = topic.topicId === ZERO_UUID ? null : topic.topicId
    const before = this.#topics.get(name)
    const sameTopic = before !== undefined && before.topicId === topicId
    const partitions: PartitionMetadata[] = []
    for (const entry of [...topic.partitions].sort((a, b) => a.partitionIndex - b.partitionIndex)) {
      const known = sameTopic ? before.partitions[entry.partitionIndex] : undefined
      const isOlder = known !== undefined && entry.leaderEpoch >= 0 && entry.leaderEpoch < known.leaderEpoch
      partitions.push(
        isOlder
          ? known
          : {
              partition: entry.partitionIndex,
              leaderId: entry.leaderId < 0 ? null : entry.leaderId,
              leaderEpoch: entry.leaderEpoch,
              replicas: entry.replicaNodes,
              isr: entry.isrNodes,
              offlineReplicas: entry.offlineReplicas,
              errorCode: entry.errorCode,
            },
      )
    }
    if (before?.topicId && before.topicId !== topicId) this.#topicNames.delete(before.topicId)
    if (topicId !== null) this.#topicNames.set(topicId, name)
    this.#topics.set(name, { name, topicId, isInternal: topic.isInternal, partitions })
  }

  #forget(name: string): void {
    const topicId = this.#topics.get(name)?.topicId
    if (topicId) this.#topicNames.delete(topicId)
    this.#topics.delete(name)
  }
}
