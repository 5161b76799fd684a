// Owns the making of partitions: checking assignments, the first leader, and CreatePartitions.
// Never changes partitions that exist; elections.ts does. Invariant: a new partition has a leader, which is in its ISR.
import type { BrokerImage, MetadataImage, TopicImage } from '#metadata'
import {
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
  ErrorCode,
  KafkaError,
  type MetadataRecordInput,
  ZERO_UUID,
} from '#protocol'
import { type ControllerResult, RECORDS_PER_OPERATION_MAX } from './controller-result.ts'
import { uniqueBy } from './duplicates.ts'
import { placeReplicas } from './replica-placer.ts'

type TopicRequest = CreatePartitionsRequest['topics'][number]

export interface CreatePartitionsInput {
  readonly image: MetadataImage
  readonly request: CreatePartitionsRequest
  /** Any whole number, drawn anew for each request: spreads the first replicas. */
  readonly placementStart: number
}

export function createPartitions(input: CreatePartitionsInput): ControllerResult<CreatePartitionsResponse> {
  const { image, request, placementStart } = input
  const records: MetadataRecordInput[] = []
  const { items, twice } = uniqueBy(request.topics, ({ name }) => name)
  const results = items.map(topic => {
    const { name } = topic
    try {
      if (twice.has(name)) throw new KafkaError('INVALID_REQUEST', 'Duplicate topic name.')
      const added = addedPartitions(image, topic, placementStart)
      refuseTooManyRecords(records.length + added.length)
      records.push(...added)
      return { name, errorCode: ErrorCode.NONE, errorMessage: null }
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      return { name, errorCode: error.errorCode, errorMessage: error.message }
    }
  })
  return { records: request.validateOnly ? [] : records, response: { throttleTimeMs: 0, results } }
}

export function refuseTooManyRecords(count: number): void {
  if (count <= RECORDS_PER_OPERATION_MAX) return
  throw new KafkaError('POLICY_VIOLATION', 'Excessively large number of partitions per request.')
}

function addedPartitions(image: MetadataImage, request: TopicRequest, placementStart: number): MetadataRecordInput[] {
  const topic = image.topics.byName(request.name)
  if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION')
  const current = topic.partitions.length
  const additional = request.count - current
  if (additional === 0) throw new KafkaError('INVALID_PARTITIONS', `Topic already has ${current} partition(s).`)
  if (additional < 0) {
    throw new KafkaError(
      'INVALID_PARTITIONS',
      `The topic ${request.name} currently has ${current} partition(s); ${request.count} would not be an increase.`,
    )
  }
  refuseTooManyRecords(additional)
  const replicationFactor = (topic.partitions[0] as TopicImage['partitions'][number]).replicas.length
  const assigned = request.assignments
  if (assigned !== null && assigned.length !== additional) {
    throw new KafkaError(
      'INVALID_REPLICA_ASSIGNMENT',
      `Attempted to add ${additional} additional partition(s), but ${assigned.length} assignment(s) were specified.`,
    )
  }
  const replicaLists =
    assigned === null
      ? placePartitions(image, {
          firstPartition: current,
          partitionCount: additional,
          replicationFactor,
          start: placementStart,
        })
      : assigned.map(({ brokerIds }) => {
          checkAssignment(image, brokerIds, replicationFactor)
          return brokerIds
        })
  return replicaLists.map((replicas, index) =>
    newPartition(image, { topicId: topic.topicId, partition: current + index, replicas, placed: assigned === null }),
  )
}

export function placePartitions(
  image: MetadataImage,
  wanted: {
    readonly firstPartition: number
    readonly partitionCount: number
    readonly replicationFactor: number
    readonly start: number
  },
): readonly (readonly number[])[] {
  const brokers = [...image.brokers.values()].map(broker => ({
    nodeId: broker.nodeId,
    rack: broker.rack,
    fenced: !isActive(broker),
  }))
  return placeReplicas({ brokers, ...wanted })
}

/** An assignment somebody wrote by hand. `replicationFactor` is that of the partitions before it, if there are any. */
export function checkAssignment(
  image: MetadataImage,
  brokerIds: readonly number[],
  replicationFactor: number | null,
): void {
  const refuse = (why: string): never => {
    throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', `The manual partition assignment includes ${why}`)
  }
  if (brokerIds.length === 0) refuse('an empty replica list.')
  const twice = brokerIds.find((id, index) => brokerIds.indexOf(id) !== index)
  if (twice !== undefined) refuse(`the broker ${twice} more than once.`)
  const unknown = brokerIds.find(id => !image.brokers.has(id))
  if (unknown !== undefined) refuse(`broker ${unknown}, but no such broker is registered.`)
  if (replicationFactor !== null && brokerIds.length !== replicationFactor) {
    refuse(
      `a partition with ${brokerIds.length} replica(s), but this is not consistent with previous partitions, ` +
        `which have ${replicationFactor} replica(s).`,
    )
  }
}

export interface NewPartition {
  readonly topicId: string
  readonly partition: number
  readonly replicas: readonly number[]
  /** By us, not by hand: decides how a lack of usable brokers is told. */
  readonly placed: boolean
}

/** In sync is who can be reached now; the first of them leads. */
export function newPartition(image: MetadataImage, wanted: NewPartition): MetadataRecordInput {
  const { topicId, partition, replicas, placed } = wanted
  const isr = replicas.filter(id => isActive(image.brokers.get(id)))
  const leader = isr[0]
  if (leader === undefined) {
    throw placed
      ? new KafkaError(
          'INVALID_REPLICATION_FACTOR',
          `Unable to replicate the partition ${replicas.length} time(s): All brokers are currently fenced or in controlled shutdown.`,
        )
      : new KafkaError(
          'INVALID_REPLICA_ASSIGNMENT',
          `All brokers specified in the manual partition assignment for partition ${partition} are fenced or in controlled shutdown.`,
        )
  }
  return {
    type: 'PartitionRecord',
    topicId,
    partitionId: partition,
    replicas,
    isr,
    removingReplicas: [],
    addingReplicas: [],
    leader,
    leaderEpoch: 0,
    partitionEpoch: 0,
    leaderRecoveryState: 0,
    directories: replicas.map(id => defaultDirectory(image.brokers.get(id))),
    eligibleLeaderReplicas: null,
    lastKnownElr: null,
  }
}

export function isActive(broker: BrokerImage | undefined): boolean {
  return broker !== undefined && !broker.fenced && !broker.inControlledShutdown
}

/** With one directory there is no choice; with several the broker chooses and tells (the zero id means unassigned). */
function defaultDirectory(broker: BrokerImage | undefined): string {
  return broker?.directories.length === 1 ? (broker.directories[0] as string) : ZERO_UUID
}
