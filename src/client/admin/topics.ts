// Owns the admin operations on topics: create, delete, list, describe, add partitions. Never retries by itself.
import * as protocol from '#protocol'
import { ErrorCode } from '#protocol'
import { type CallOptions, type Cluster, UnknownTopicError } from '../network/cluster.ts'
import { type KafkaError, kafkaErrorOf } from '../network/kafka-errors.ts'
import type { Outcome } from './admin.ts'
import { callAnyBroker, remainingMs } from './broker-call.ts'

export interface NewTopic {
  readonly name: string
  /** The broker's `num.partitions` unless given. */
  readonly partitions?: number
  /** The broker's `default.replication.factor` unless given. */
  readonly replicationFactor?: number
  /** Topic settings under Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>
  /** Replicas of each partition by broker id, in place of counts. */
  readonly assignments?: readonly (readonly number[])[]
}

export interface CreatedTopic extends Outcome {
  readonly name: string
  /** null when it was not created, or the broker is too old to tell. */
  readonly topicId: string | null
  /** null when the broker does not tell. */
  readonly partitions: number | null
  readonly replicationFactor: number | null
}

export interface NewPartitions {
  readonly name: string
  /** The new total. */
  readonly count: number
  /** Replicas of each added partition by broker id. */
  readonly assignments?: readonly (readonly number[])[]
}

export interface TopicListing {
  readonly name: string
  readonly topicId: string | null
  readonly isInternal: boolean
  readonly partitions: number
  readonly replicationFactor: number
}

export interface PartitionDescription {
  readonly partition: number
  /** null while it has none. */
  readonly leader: number | null
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  readonly offlineReplicas: readonly number[]
  /** Eligible leader replicas (KIP-966); null when the broker does not tell. */
  readonly elr: readonly number[] | null
  readonly lastKnownElr: readonly number[] | null
}

export interface TopicDescription extends Outcome {
  readonly name: string
  readonly topicId: string | null
  readonly isInternal: boolean
  readonly partitions: readonly PartitionDescription[]
}

/** Most partitions in one DescribeTopicPartitions answer; the rest follows by cursor. */
const DESCRIBE_PARTITIONS_MAX = 2_000

export async function createTopics(
  cluster: Cluster,
  call: CallOptions,
  topics: readonly NewTopic[],
  validateOnly: boolean,
): Promise<readonly CreatedTopic[]> {
  const response = await callAnyBroker(cluster, call, protocol.createTopics, {
    topics: topics.map(topic => ({
      name: topic.name,
      numPartitions: topic.assignments ? -1 : (topic.partitions ?? -1),
      replicationFactor: topic.assignments ? -1 : (topic.replicationFactor ?? -1),
      assignments: (topic.assignments ?? []).map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
      configs: Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value })),
    })),
    timeoutMs: remainingMs(call),
    validateOnly,
  })
  const results = new Map(response.topics.map(topic => [topic.name, topic]))
  return topics.map(({ name }) => {
    const result = results.get(name)
    return {
      name,
      error: outcomeError(result, name),
      topicId: result && result.topicId !== protocol.ZERO_UUID ? result.topicId : null,
      partitions: result && result.numPartitions >= 0 ? result.numPartitions : null,
      replicationFactor: result && result.replicationFactor >= 0 ? result.replicationFactor : null,
    }
  })
}

export async function deleteTopics(
  cluster: Cluster,
  call: CallOptions,
  names: readonly string[],
): Promise<readonly (Outcome & { readonly name: string })[]> {
  const request = { topics: names.map(name => ({ name })), topicNames: names, timeoutMs: remainingMs(call) }
  const response = await cluster.retrying(call, async () => {
    const connection = await cluster.connectToAny()
    const byName = { ...request, topics: [] }
    const hasIds = connection.versions.supports(protocol.deleteTopics, { min: 6 })
    return connection.send(protocol.deleteTopics, hasIds ? request : byName, {
      signal: call.signal,
      timeoutMs: remainingMs(call),
    })
  })
  const results = new Map(response.responses.map(result => [result.name, result]))
  return names.map(name => ({ name, error: outcomeError(results.get(name), name) }))
}

export async function createPartitions(
  cluster: Cluster,
  call: CallOptions,
  topics: readonly NewPartitions[],
  validateOnly: boolean,
): Promise<readonly (Outcome & { readonly name: string })[]> {
  const response = await callAnyBroker(cluster, call, protocol.createPartitions, {
    topics: topics.map(({ name, count, assignments }) => ({
      name,
      count,
      assignments: assignments ? assignments.map(brokerIds => ({ brokerIds })) : null,
    })),
    timeoutMs: remainingMs(call),
    validateOnly,
  })
  const results = new Map(response.results.map(result => [result.name, result]))
  return topics.map(({ name }) => ({ name, error: outcomeError(results.get(name), name) }))
}

export async function listTopics(cluster: Cluster, call: CallOptions): Promise<readonly TopicListing[]> {
  const response = await callAnyBroker(cluster, call, protocol.metadata, {
    topics: null,
    allowAutoTopicCreation: false,
  })
  const listings = response.topics.map(topic => ({
    name: topic.name ?? '',
    topicId: topic.topicId === protocol.ZERO_UUID ? null : topic.topicId,
    isInternal: topic.isInternal,
    partitions: topic.partitions.length,
    replicationFactor: topic.partitions[0]?.replicaNodes.length ?? 0,
  }))
  return listings.sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function describeTopics(
  cluster: Cluster,
  call: CallOptions,
  names: readonly string[],
): Promise<readonly TopicDescription[]> {
  if (names.length === 0) return []
  const connection = await cluster.retrying(call, () => cluster.connectToAny())
  const found = connection.versions.supports(protocol.describeTopicPartitions)
    ? await describeByCursor(cluster, call, names)
    : await describeByMetadata(cluster, call, names)
  return names.map(name => found.get(name) ?? absent(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
}

async function describeByCursor(
  cluster: Cluster,
  call: CallOptions,
  names: readonly string[],
): Promise<ReadonlyMap<string, TopicDescription>> {
  const found = new Map<string, TopicDescription>()
  let cursor: { readonly topicName: string; readonly partitionIndex: number } | null = null
  // The broker sorts topics by name and continues at the cursor, so every page moves on: it ends.
  do {
    const request: protocol.DescribeTopicPartitionsRequestInput = {
      topics: [...names].sort().map(name => ({ name })),
      responsePartitionLimit: DESCRIBE_PARTITIONS_MAX,
      cursor,
    }
    const response: protocol.DescribeTopicPartitionsResponse = await callAnyBroker(
      cluster,
      call,
      protocol.describeTopicPartitions,
      request,
    )
    for (const topic of response.topics) {
      const name = topic.name ?? ''
      const before = found.get(name)?.partitions ?? []
      const partitions = topic.partitions.map(entry => ({
        partition: entry.partitionIndex,
        leader: entry.leaderId < 0 ? null : entry.leaderId,
        leaderEpoch: entry.leaderEpoch,
        replicas: entry.replicaNodes,
        isr: entry.isrNodes,
        offlineReplicas: entry.offlineReplicas,
        elr: entry.eligibleLeaderReplicas,
        lastKnownElr: entry.lastKnownElr,
      }))
      if (topic.errorCode === ErrorCode.NONE) {
        found.set(name, {
          name,
          error: null,
          topicId: topic.topicId,
          isInternal: topic.isInternal,
          partitions: [...before, ...partitions],
        })
      } else found.set(name, absent(name, topic.errorCode))
    }
    cursor = response.nextCursor
  } while (cursor !== null)
  return found
}

async function describeByMetadata(
  cluster: Cluster,
  call: CallOptions,
  names: readonly string[],
): Promise<ReadonlyMap<string, TopicDescription>> {
  const request = { topics: names.map(name => ({ name })), allowAutoTopicCreation: false }
  const response = await callAnyBroker(cluster, call, protocol.metadata, request)
  const found = new Map<string, TopicDescription>()
  for (const topic of response.topics) {
    const name = topic.name ?? ''
    const partitions = [...topic.partitions]
      .sort((a, b) => a.partitionIndex - b.partitionIndex)
      .map(entry => ({
        partition: entry.partitionIndex,
        leader: entry.leaderId < 0 ? null : entry.leaderId,
        leaderEpoch: entry.leaderEpoch,
        replicas: entry.replicaNodes,
        isr: entry.isrNodes,
        offlineReplicas: entry.offlineReplicas,
        elr: null,
        lastKnownElr: null,
      }))
    const topicId = topic.topicId === protocol.ZERO_UUID ? null : topic.topicId
    if (topic.errorCode === ErrorCode.NONE)
      found.set(name, { name, error: null, topicId, isInternal: topic.isInternal, partitions })
    else found.set(name, absent(name, topic.errorCode))
  }
  return found
}

function absent(name: string, errorCode: number): TopicDescription {
  const isUnknown = errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  const error = isUnknown ? new UnknownTopicError(name) : kafkaErrorOf(errorCode, `topic '${name}'`)
  return { name, error, topicId: null, isInternal: false, partitions: [] }
}

function outcomeError(
  result: { readonly errorCode: number; readonly errorMessage: string | null } | undefined,
  name: string,
): KafkaError | null {
  if (!result)
    return kafkaErrorOf(ErrorCode.UNKNOWN_SERVER_ERROR, `topic '${name}'`, 'the broker left it out of its answer')
  return result.errorCode === ErrorCode.NONE
    ? null
    : kafkaErrorOf(result.errorCode, `topic '${name}'`, result.errorMessage)
}
