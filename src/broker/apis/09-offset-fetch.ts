// OffsetFetch (9): what groups have committed. v2 all topics (null) and an error of the whole, v5 leader epoch, v7 stable
// offsets only (KIP-447), v8 several groups, v10 topics by id. An offset nobody committed is -1, without error.
import {
  ErrorCode,
  offsetFetch as offsetFetchApi,
  type OffsetFetchRequest,
  type OffsetFetchResponseInput,
  ZERO_UUID,
} from '#protocol'
import type { FetchedGroup, GroupToFetch } from '#coordinator'
import { withGroupTopic } from '../group-topic.ts'
import type { ApiHandler, RequestContext } from '../request-context.ts'

const TOP_LEVEL_ERROR_VERSION = 2
const BATCHED_VERSION = 8
const TOPIC_ID_VERSION = 10

type FetchedTopics = NonNullable<FetchedGroup['topics']>
type RequestTopic = NonNullable<GroupToFetch['topics']>[number]

export const offsetFetch: ApiHandler<typeof offsetFetchApi> = {
  api: offsetFetchApi,

  handle(request, context) {
    return withGroupTopic(context, () => {
      if (context.apiVersion >= BATCHED_VERSION) {
        return { groups: request.groups.map(group => fetch(group, request.requireStable, context)) }
      }
      const group = singleGroup(request)
      return singleAnswer(group, fetch(group, request.requireStable, context), context)
    })
  },

  failed(request, { errorCode }, context) {
    if (context.apiVersion >= BATCHED_VERSION) {
      return { groups: request.groups.map(({ groupId }) => ({ groupId, topics: [], errorCode })) }
    }
    const group = singleGroup(request)
    return singleAnswer(group, { groupId: group.groupId, topics: [], errorCode }, context)
  },
}

/** Before v8 a request is about one group, and its fields are those of the request. */
function singleGroup({ groupId, topics }: OffsetFetchRequest): GroupToFetch {
  return {
    groupId,
    memberId: null,
    memberEpoch: -1,
    topics: topics?.map(topic => ({ ...topic, topicId: ZERO_UUID })) ?? null,
  }
}

function singleAnswer(group: GroupToFetch, fetched: FetchedGroup, context: RequestContext): OffsetFetchResponseInput {
  const errorCode = fetched.errorCode ?? ErrorCode.NONE
  if (errorCode === ErrorCode.NONE || context.apiVersion >= TOP_LEVEL_ERROR_VERSION) {
    return { errorCode, topics: (fetched.topics ?? []).map(({ name, partitions }) => ({ name, partitions })) }
  }
  return {
    topics: (group.topics ?? []).map(({ name, ...topic }) => ({ name, partitions: failures(topic, errorCode) })),
  }
}

function fetch(asked: GroupToFetch, requireStable: boolean, context: RequestContext): FetchedGroup {
  const { services, apiVersion } = context
  const named = { ...asked, topics: asked.topics?.map(topic => withNameAndId(topic, context)) ?? null }
  const known = { ...named, topics: named.topics?.filter(({ name }) => name !== '') ?? null }
  const fetched = services.groups.offsetFetch(known, requireStable)
  if (apiVersion < TOPIC_ID_VERSION || fetched.errorCode !== ErrorCode.NONE) return fetched
  const unknown = (named.topics ?? []).filter(({ name }) => name === '')
  return {
    ...fetched,
    topics: [
      ...unknown.map(topic => ({ topicId: topic.topicId, partitions: failures(topic, ErrorCode.UNKNOWN_TOPIC_ID) })),
      ...withIds(fetched.topics ?? [], context),
    ],
  }
}

/** Knowing the id of a name keeps offsets of a deleted topic from being taken for those of its successor. */
function withNameAndId(topic: RequestTopic, { services, apiVersion }: RequestContext): RequestTopic {
  const { topics } = services.image()
  if (apiVersion >= TOPIC_ID_VERSION) return { ...topic, name: topics.byId(topic.topicId)?.name ?? '' }
  return { ...topic, topicId: topics.byName(topic.name)?.topicId ?? ZERO_UUID }
}

/** A topic that is gone has no id, and without one it cannot be answered. */
function withIds(topics: FetchedTopics, { services }: RequestContext): FetchedTopics {
  return topics.flatMap(topic => {
    const topicId =
      topic.topicId !== undefined && topic.topicId !== ZERO_UUID
        ? topic.topicId
        : services.image().topics.byName(topic.name ?? '')?.topicId
    return topicId === undefined ? [] : [{ ...topic, topicId }]
  })
}

function failures(
  { partitionIndexes }: Pick<RequestTopic, 'partitionIndexes'>,
  errorCode: number,
): NonNullable<FetchedTopics[number]['partitions']> {
  return partitionIndexes.map(partitionIndex => ({
    partitionIndex,
    committedOffset: -1n,
    committedLeaderEpoch: -1,
    metadata: '',
    errorCode,
  }))
}
