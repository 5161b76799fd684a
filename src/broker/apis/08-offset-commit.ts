// OffsetCommit (8): stores how far a group has read. v5 drops the retention time, v6 leader epoch (KIP-320), v7 static members
// (KIP-345), v9 GROUP_ID_NOT_FOUND (KIP-848), v10 topics by id. Topics that do not exist are answered here, the rest by the
// coordinator.
import {
  ErrorCode,
  offsetCommit as offsetCommitApi,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
  ZERO_UUID,
} from '#protocol'
import { withGroupTopic } from '../group-topic.ts'
import type { ApiHandler, RequestContext } from '../request-context.ts'

const TOPIC_ID_VERSION = 10

type RequestTopic = OffsetCommitRequest['topics'][number]
type ResponseTopic = OffsetCommitResponse['topics'][number]

export const offsetCommit: ApiHandler<typeof offsetCommitApi> = {
  api: offsetCommitApi,

  handle(request, context) {
    return withGroupTopic(context, async () => {
      const topics = request.topics.map(topic => splitTopic(topic, context))
      const known = topics.flatMap(({ found }) => (found === null ? [] : [found]))
      const isAllKnown = known.length === topics.length && topics.every(({ failed }) => failed.length === 0)
      // The coordinator also judges requests without any topic: it knows the member.
      if (known.length === 0 && topics.length > 0) return { topics: topics.map(split => answerTopic(split, undefined)) }
      const answer = await context.services.groups.offsetCommit({ ...request, topics: known }, context)
      if (isAllKnown) return answer
      const committed = new Map((answer.topics ?? []).map(topic => [topic.name, topic as ResponseTopic]))
      return { ...answer, topics: topics.map(split => answerTopic(split, committed.get(split.name))) }
    })
  },

  failed: (request, error) => ({
    topics: request.topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: error.errorCode })),
    })),
  }),
}

interface SplitTopic {
  readonly name: string
  readonly topicId: string
  /** What the coordinator is asked to commit. */
  readonly found: RequestTopic | null
  readonly failed: ResponseTopic['partitions']
}

function splitTopic(asked: RequestTopic, { apiVersion, services }: RequestContext): SplitTopic {
  const byId = apiVersion >= TOPIC_ID_VERSION
  const { topics } = services.image()
  const topic = byId ? topics.byId(asked.topicId) : topics.byName(asked.name)
  const topicId = byId ? asked.topicId : (topic?.topicId ?? ZERO_UUID)
  if (topic === undefined) {
    const errorCode = byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    const failed = asked.partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode }))
    return { name: asked.name, topicId, found: null, failed }
  }
  const partitions = asked.partitions.filter(({ partitionIndex }) => topic.partitions[partitionIndex] !== undefined)
  const failed = asked.partitions
    .filter(({ partitionIndex }) => topic.partitions[partitionIndex] === undefined)
    .map(({ partitionIndex }) => ({ partitionIndex, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }))
  const found = partitions.length === 0 ? null : { name: topic.name, topicId, partitions }
  return { name: topic.name, topicId, found, failed }
}

function answerTopic({ name, topicId, failed }: SplitTopic, committed: ResponseTopic | undefined): ResponseTopic {
  return { name, topicId, partitions: [...failed, ...(committed?.partitions ?? [])] }
}
