// DescribeTopicPartitions (75): topics in name order, a bounded number of partitions at a time, the rest through a cursor.
import { isInternalTopic, type MetadataImage, type PartitionImage, type TopicImage } from '#metadata'
import {
  type DescribeTopicPartitionsRequest,
  describeTopicPartitions as describeTopicPartitionsApi,
  ErrorCode,
  KafkaError,
  type ResponseInput,
} from '#protocol'
import { OPERATIONS_NOT_REQUESTED, TOPIC_OPERATIONS } from '../authorized-operations.ts'
import { leaderView } from '../endpoints.ts'
import type { ApiHandler, RequestContext } from '../request-context.ts'
import { topicNameFault } from '../topic-names.ts'

type Response = ResponseInput<typeof describeTopicPartitionsApi>
type Topic = NonNullable<Response['topics']>[number]

export const describeTopicPartitions: ApiHandler<typeof describeTopicPartitionsApi> = {
  api: describeTopicPartitionsApi,

  handle(request, context) {
    const { services } = context
    const image = services.image()
    const limit = services.config.get('max.request.partition.size.limit')
    let remaining = Math.max(Math.min(limit, request.responsePartitionLimit), 1)
    const topics: Topic[] = []
    for (const name of namesInOrder(request, image)) {
      // The cursor points at the first topic that did not fit; the one before it is complete.
      if (remaining === 0) return { topics, nextCursor: { topicName: name, partitionIndex: 0 } }
      const topic = image.topics.byName(name)
      if (topic === undefined) {
        topics.push(missingTopic(name))
        continue
      }
      const first = request.cursor?.topicName === name ? request.cursor.partitionIndex : 0
      const partitions = topic.partitions.slice(first, first + remaining)
      topics.push(describe(topic, partitions, image, context))
      remaining -= partitions.length
      const next = first + partitions.length
      if (next < topic.partitions.length) return { topics, nextCursor: { topicName: name, partitionIndex: next } }
    }
    return { topics, nextCursor: null }
  },

  failed: (request, error) => ({
    topics: request.topics.map(({ name }) => ({
      errorCode: error.errorCode,
      name,
      topicAuthorizedOperations: OPERATIONS_NOT_REQUESTED,
    })),
    nextCursor: null,
  }),
}

/** The asked-for names from the cursor on, each once, sorted; no names = all topics. */
function namesInOrder(request: DescribeTopicPartitionsRequest, image: MetadataImage): readonly string[] {
  const { cursor } = request
  const names =
    request.topics.length === 0
      ? Array.from(image.topics.all(), topic => topic.name)
      : request.topics.map(topic => topic.name)
  const from = cursor?.topicName ?? ''
  const wanted = [...new Set(names)].filter(name => name >= from)
  if (cursor !== null) {
    if (request.topics.length > 0 && !wanted.includes(cursor.topicName)) {
      throw new KafkaError('INVALID_REQUEST', `the topic list should contain the cursor topic: ${cursor.topicName}`)
    }
    if (cursor.partitionIndex < 0) {
      throw new KafkaError('INVALID_REQUEST', `the cursor partition must be valid: ${cursor.partitionIndex}`)
    }
  }
  return wanted.sort()
}

function missingTopic(name: string): Topic {
  return {
    errorCode: topicNameFault(name) === null ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_TOPIC_EXCEPTION,
    name,
    isInternal: isInternalTopic(name),
    // Without an authorizer everything is allowed, also on what is not there.
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  }
}

function describe(
  topic: TopicImage,
  partitions: readonly PartitionImage[],
  image: MetadataImage,
  context: RequestContext,
): Topic {
  const { offline } = context.services
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.internal,
    topicAuthorizedOperations: TOPIC_OPERATIONS,
    partitions: partitions.map(partition => {
      const offlineHere = offline.replicaOf(topic.topicId, partition.partition)
      const leader = leaderView(image, partition, context.listenerName, true, offlineHere)
      return {
        errorCode: leader.errorCode,
        partitionIndex: partition.partition,
        leaderId: leader.leaderId,
        leaderEpoch: partition.leaderEpoch,
        replicaNodes: partition.replicas,
        isrNodes: partition.isr,
        eligibleLeaderReplicas: partition.elr,
        lastKnownElr: [],
        offlineReplicas: leader.offlineReplicas,
      }
    }),
  }
}
