// Owns the creation and deletion of topics. Never touches a log: the data plane follows the partition table.
// Invariant: a name belongs to one topic; a topic made again gets a new id; each topic of a request succeeds or fails alone.
import { type BrokerConfig, ConfigError, describeTopicConfigs, validateTopicOverrides } from '#config'
import { collisionForm, type MetadataImage, type TopicImage } from '#metadata'
import {
  type CreateTopicsRequest,
  type CreateTopicsResponse,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
  ErrorCode,
  KafkaError,
  type MetadataRecordInput,
  ZERO_UUID,
} from '#protocol'
import { TOPIC_RESOURCE } from './configs.ts'
import type { ControllerResult } from './controller-result.ts'
import { uniqueBy } from './duplicates.ts'
import { checkAssignment, newPartition, placePartitions, refuseTooManyRecords } from './partitions.ts'
import { METADATA_TOPIC, topicNameFault } from './topic-names.ts'

type NewTopic = CreateTopicsRequest['topics'][number]
type CreatedTopic = CreateTopicsResponse['topics'][number]
type DeletionTarget = DeleteTopicsRequest['topics'][number]
type DeletedTopic = DeleteTopicsResponse['responses'][number]

/** -1 in a request: the broker decides. */
const BROKER_DEFAULT = -1

export interface CreateTopicsInput {
  readonly image: MetadataImage
  readonly config: BrokerConfig
  readonly request: CreateTopicsRequest
  readonly newTopicId: () => string
  /** Any whole number, drawn anew for each request: spreads the first replicas. */
  readonly placementStart: number
}

export function createTopics(input: CreateTopicsInput): ControllerResult<CreateTopicsResponse> {
  const { request } = input
  const records: MetadataRecordInput[] = []
  const { items, twice } = uniqueBy(request.topics, ({ name }) => name)
  /** Names made by this request, which the image does not know yet, by what they collide in. */
  const madeNames = new Map<string, string>()

  const topics = items.map((topic): CreatedTopic => {
    try {
      if (twice.has(topic.name)) throw new KafkaError('INVALID_REQUEST', 'Duplicate topic name.')
      checkName(input.image, topic.name, madeNames)
      const created = createTopic(input, topic)
      refuseTooManyRecords(records.length + created.records.length)
      records.push(...created.records)
      madeNames.set(collisionForm(topic.name), topic.name)
      return created.response
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      return failedTopic(topic.name, error)
    }
  })
  return { records: request.validateOnly ? [] : records, response: { throttleTimeMs: 0, topics } }
}

function checkName({ topics }: MetadataImage, name: string, madeNames: ReadonlyMap<string, string>): void {
  const fault = topicNameFault(name)
  if (fault !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', fault)
  if (name === METADATA_TOPIC) {
    throw new KafkaError('INVALID_REQUEST', `Creation of internal topic ${METADATA_TOPIC} is prohibited.`)
  }
  if (topics.byName(name)) throw new KafkaError('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`)
  const colliding = topics.collidingName(name) ?? madeNames.get(collisionForm(name))
  if (colliding !== undefined) {
    throw new KafkaError('INVALID_TOPIC_EXCEPTION', `Topic '${name}' collides with existing topic: ${colliding}`)
  }
}

function failedTopic(name: string, error: KafkaError): CreatedTopic {
  return {
    name,
    topicId: ZERO_UUID,
    errorCode: error.errorCode,
    errorMessage: error.message,
    topicConfigErrorCode: 0,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  }
}

function createTopic(input: CreateTopicsInput, topic: NewTopic): ControllerResult<CreatedTopic> {
  const { image, config, request } = input
  const overrides = checkedOverrides(config, topic)
  const topicId = input.newTopicId()
  const placed = topic.assignments.length === 0
  const replicaLists = placed ? placedReplicas(input, topic) : assignedReplicas(image, topic)
  const partitions = replicaLists.map((replicas, partition) =>
    newPartition(image, { topicId, partition, replicas, placed }),
  )
  const configRecords = [...overrides].map(
    ([name, value]): MetadataRecordInput => ({
      type: 'ConfigRecord',
      resourceType: TOPIC_RESOURCE,
      resourceName: topic.name,
      name,
      value,
    }),
  )
  return {
    // As in Kafka settings come before partitions: whoever makes the logs knows how.
    records: [{ type: 'TopicRecord', name: topic.name, topicId }, ...configRecords, ...partitions],
    response: {
      name: topic.name,
      topicId: request.validateOnly ? ZERO_UUID : topicId,
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      topicConfigErrorCode: ErrorCode.NONE,
      numPartitions: replicaLists.length,
      replicationFactor: (replicaLists[0] as readonly number[]).length,
      configs: describeTopicConfigs(config, overrides).map(({ name, value, readOnly, configSource, isSensitive }) => ({
        name,
        value,
        readOnly,
        configSource,
        isSensitive,
      })),
    },
  }
}

function checkedOverrides(config: BrokerConfig, topic: NewTopic): ReadonlyMap<string, string> {
  const valueless = topic.configs.filter(({ value }) => value === null).map(({ name }) => name)
  if (valueless.length > 0) {
    throw new KafkaError('INVALID_CONFIG', `Null value not supported for topic configs: ${valueless.join(',')}`)
  }
  const overrides = new Map(topic.configs.map(({ name, value }) => [name, value as string]))
  try {
    validateTopicOverrides(config, overrides)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new KafkaError('INVALID_CONFIG', error.message, { cause: error })
  }
  return overrides
}

function placedReplicas(input: CreateTopicsInput, topic: NewTopic): readonly (readonly number[])[] {
  const { image, config, placementStart } = input
  if (topic.replicationFactor < BROKER_DEFAULT || topic.replicationFactor === 0) {
    throw new KafkaError(
      'INVALID_REPLICATION_FACTOR',
      'Replication factor must be larger than 0, or -1 to use the default value.',
    )
  }
  if (topic.numPartitions < BROKER_DEFAULT || topic.numPartitions === 0) {
    throw new KafkaError(
      'INVALID_PARTITIONS',
      'Number of partitions must be larger than 0, or -1 to use the default value.',
    )
  }
  const partitionCount = topic.numPartitions === BROKER_DEFAULT ? config.get('num.partitions') : topic.numPartitions
  refuseTooManyRecords(partitionCount)
  const replicationFactor =
    topic.replicationFactor === BROKER_DEFAULT ? config.get('default.replication.factor') : topic.replicationFactor
  return placePartitions(image, { firstPartition: 0, partitionCount, replicationFactor, start: placementStart })
}

function assignedReplicas(image: MetadataImage, topic: NewTopic): readonly (readonly number[])[] {
  const refuse = (why: string): never => {
    throw new KafkaError('INVALID_REQUEST', `A manual partition assignment was specified, but ${why}`)
  }
  if (topic.replicationFactor !== BROKER_DEFAULT) refuse('replication factor was not set to -1.')
  if (topic.numPartitions !== BROKER_DEFAULT) refuse('numPartitions was not set to -1.')
  const byPartition = new Map<number, readonly number[]>()
  let replicationFactor: number | null = null
  for (const { partitionIndex, brokerIds } of topic.assignments) {
    if (byPartition.has(partitionIndex)) {
      throw new KafkaError(
        'INVALID_REPLICA_ASSIGNMENT',
        `Found multiple manual partition assignments for partition ${partitionIndex}`,
      )
    }
    checkAssignment(image, brokerIds, replicationFactor)
    replicationFactor = brokerIds.length
    byPartition.set(partitionIndex, brokerIds)
  }
  return Array.from({ length: byPartition.size }, (_, partition) => {
    const replicas = byPartition.get(partition)
    if (replicas !== undefined) return replicas
    throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', 'partitions should be a consecutive 0-based integer sequence')
  })
}

export interface DeleteTopicsInput {
  readonly image: MetadataImage
  readonly config: BrokerConfig
  readonly request: DeleteTopicsRequest
  readonly version: number
}

export function deleteTopics({
  image,
  config,
  request,
  version,
}: DeleteTopicsInput): ControllerResult<DeleteTopicsResponse> {
  // Up to version 5 names come in a list of their own.
  const named = request.topicNames.map(name => ({ name, topicId: ZERO_UUID }))
  const wanted: DeleteTopicsRequest['topics'] = [...named, ...request.topics]
  const records: MetadataRecordInput[] = []
  const { items, twice } = uniqueBy(wanted, targetKey)
  const { twice: twiceByTopic } = uniqueBy(
    items.flatMap(target => foundTopic(image, target) ?? []),
    ({ topicId }) => topicId,
  )
  const responses: DeletedTopic[] = []
  const refused = new Set<string>()
  for (const target of items) {
    try {
      if (!config.get('delete.topic.enable')) {
        throw new KafkaError(version < 3 ? 'INVALID_REQUEST' : 'TOPIC_DELETION_DISABLED')
      }
      // Asked for twice is deleted not once, and answered once: the caller does not know what it wants.
      if (twice.has(targetKey(target)) && (target.name !== null || target.topicId !== ZERO_UUID)) {
        throw new KafkaError('INVALID_REQUEST', `Duplicate topic ${target.name === null ? 'id' : 'name'}.`)
      }
      const topic = targetOf(image, target)
      const { name, topicId } = topic
      if (!twiceByTopic.has(topicId)) {
        records.push({ type: 'RemoveTopicRecord', topicId })
        responses.push({ name, topicId, errorCode: ErrorCode.NONE, errorMessage: null })
      } else if (!refused.has(topicId)) {
        refused.add(topicId)
        const errorMessage = 'The provided topic name maps to an ID that was already supplied.'
        responses.push({ name, topicId, errorCode: ErrorCode.INVALID_REQUEST, errorMessage })
      }
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      responses.push({ ...target, errorCode: error.errorCode, errorMessage: error.message })
    }
  }
  return { records, response: { throttleTimeMs: 0, responses } }
}

function foundTopic(image: MetadataImage, target: DeletionTarget): TopicImage | undefined {
  const { name, topicId } = target
  if (name === null) return image.topics.byId(topicId)
  return topicId === ZERO_UUID ? image.topics.byName(name) : undefined
}

function targetKey({ name, topicId }: DeletionTarget): string {
  return name === null ? `id ${topicId}` : `name ${name}`
}

function targetOf(image: MetadataImage, { name, topicId }: DeletionTarget): TopicImage {
  if (name !== null && topicId !== ZERO_UUID) {
    throw new KafkaError('INVALID_REQUEST', 'You may not specify both topic name and topic id.')
  }
  if (name !== null) {
    const topic = image.topics.byName(name)
    if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION')
    return topic
  }
  if (topicId === ZERO_UUID) throw new KafkaError('INVALID_REQUEST', 'Neither topic name nor id were specified.')
  const topic = image.topics.byId(topicId)
  if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_ID')
  return topic
}
