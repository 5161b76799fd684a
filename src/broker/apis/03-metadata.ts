// Metadata (3): brokers, topics, leaders. v1 null = all topics, empty = none; v4 flag for automatic creation; v5 offline
// replicas; v7 leader epochs; v8 authorized operations; v10 topic ids in answers, v12 in requests; v13 top-level error.
import { isInternalTopic, type MetadataImage, type TopicImage } from '#metadata'
import { ErrorCode, KafkaError, type MetadataRequest, metadata as metadataApi, type ResponseInput } from '#protocol'
import { CLUSTER_OPERATIONS, OPERATIONS_NOT_REQUESTED, TOPIC_OPERATIONS } from '../authorized-operations.ts'
import { aliveEndpoints, leaderView } from '../endpoints.ts'
import type { ApiHandler, RequestContext } from '../request-context.ts'
import { topicNameFault } from '../topic-names.ts'

type Topic = NonNullable<ResponseInput<typeof metadataApi>['topics']>[number]

const ZERO_ID = 'AAAAAAAAAAAAAAAAAAAAAA'
/** From this version on a topic may be asked for by id, and a topic of an answer may lack a name. */
const TOPIC_ID_REQUEST_VERSION = 12
const LISTENER_NOT_FOUND_VERSION = 6

export const metadata: ApiHandler<typeof metadataApi> = {
  api: metadataApi,

  async handle(request, context) {
    const { services } = context
    refuseMalformed(request, context.apiVersion)
    const wanted = request.topics
    const all = wanted === null || (context.apiVersion === 0 && wanted.length === 0)
    const created = all ? new Map<string, number>() : await createMissing(request, context)
    const image = services.image()
    const brokers = aliveEndpoints(image, context.listenerName)
    return {
      brokers,
      clusterId: services.clusterId,
      // KRaft has no controller a client could talk to: any live broker passes requests on.
      controllerId: brokers[0]?.nodeId ?? -1,
      topics: all
        ? Array.from(image.topics.all(), topic => describe(topic, image, request, context))
        : wantedTopics(request, image, created, context),
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? CLUSTER_OPERATIONS
        : OPERATIONS_NOT_REQUESTED,
    }
  },

  failed(request, error, context) {
    return {
      clusterId: null,
      controllerId: -1,
      errorCode: context.apiVersion >= 13 ? error.errorCode : 0,
      topics: (request.topics ?? []).map(topic => ({
        errorCode: error.errorCode,
        name: context.apiVersion < TOPIC_ID_REQUEST_VERSION ? (topic.name ?? '') : topic.name,
        topicId: topic.topicId,
        topicAuthorizedOperations: OPERATIONS_NOT_REQUESTED,
      })),
      clusterAuthorizedOperations: OPERATIONS_NOT_REQUESTED,
    }
  },
}

/** Versions 10 and 11 have the fields of a request by id, but not the meaning. */
function refuseMalformed(request: MetadataRequest, apiVersion: number): void {
  if (request.topics === null) return
  if (apiVersion >= TOPIC_ID_REQUEST_VERSION) {
    if (request.topics.some(({ name, topicId }) => name === null && topicId === ZERO_ID)) {
      throw new KafkaError('INVALID_REQUEST', 'Neither topic name nor id were specified.')
    }
    return
  }
  for (const topic of request.topics) {
    if (topic.name === null)
      throw new KafkaError('INVALID_REQUEST', `Topic name can not be null for version ${apiVersion}`)
    if (topic.topicId !== ZERO_ID) {
      throw new KafkaError('INVALID_REQUEST', `Topic IDs are not supported in requests for version ${apiVersion}`)
    }
  }
}

/** Creates what is missing, if client and configuration agree. The result holds the error of each name that failed. */
async function createMissing(request: MetadataRequest, context: RequestContext): Promise<ReadonlyMap<string, number>> {
  const { services } = context
  const byId = (request.topics ?? []).some(topic => topic.topicId !== ZERO_ID)
  if (byId || !request.allowAutoTopicCreation || !services.config.get('auto.create.topics.enable')) return new Map()
  const image = services.image()
  const missing = new Set<string>()
  for (const { name } of request.topics ?? []) {
    if (name !== null && topicNameFault(name) === null && image.topics.byName(name) === undefined) missing.add(name)
  }
  return missing.size === 0 ? new Map() : services.autoCreate.ensure([...missing], context)
}

function wantedTopics(
  request: MetadataRequest,
  image: MetadataImage,
  created: ReadonlyMap<string, number>,
  context: RequestContext,
): Topic[] {
  const topics: Topic[] = []
  const seen = new Set<string>()
  for (const { name, topicId } of request.topics ?? []) {
    const key = topicId === ZERO_ID ? `name ${name}` : `id ${topicId}`
    if (seen.has(key)) continue
    seen.add(key)
    if (topicId !== ZERO_ID) {
      const topic = image.topics.byId(topicId)
      topics.push(
        topic ? describe(topic, image, request, context) : failedTopic(ErrorCode.UNKNOWN_TOPIC_ID, null, topicId),
      )
    } else if (name !== null) {
      const topic = image.topics.byName(name)
      topics.push(
        topic ? describe(topic, image, request, context) : failedTopic(missingCode(name, created), name, ZERO_ID),
      )
    }
  }
  return topics
}

function missingCode(name: string, created: ReadonlyMap<string, number>): number {
  if (topicNameFault(name) !== null) return ErrorCode.INVALID_TOPIC_EXCEPTION
  return created.get(name) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
}

function failedTopic(errorCode: number, name: string | null, topicId: string): Topic {
  return {
    errorCode,
    name,
    topicId,
    isInternal: name !== null && isInternalTopic(name),
    topicAuthorizedOperations: OPERATIONS_NOT_REQUESTED,
  }
}

function describe(topic: TopicImage, image: MetadataImage, request: MetadataRequest, context: RequestContext): Topic {
  const knowsListenerNotFound = context.apiVersion >= LISTENER_NOT_FOUND_VERSION
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.internal,
    topicAuthorizedOperations: request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : OPERATIONS_NOT_REQUESTED,
    partitions: topic.partitions.map(partition => {
      const offlineHere = context.services.offline.replicaOf(topic.topicId, partition.partition)
      const leader = leaderView(image, partition, context.listenerName, knowsListenerNotFound, offlineHere)
      return {
        errorCode: leader.errorCode,
        partitionIndex: partition.partition,
        leaderId: leader.leaderId,
        leaderEpoch: partition.leaderEpoch,
        replicaNodes: partition.replicas,
        isrNodes: partition.isr,
        offlineReplicas: leader.offlineReplicas,
      }
    }),
  }
}
