// OffsetForLeaderEpoch (23): where an epoch of a partition ended, for a consumer that checks whether its log was truncated.
import { ErrorCode, offsetForLeaderEpoch as offsetForLeaderEpochApi } from '#protocol'
import type { ApiHandler, RequestContext } from '../request-context.ts'

const EPOCH_NOT_GIVEN = -1

export const offsetForLeaderEpoch: ApiHandler<typeof offsetForLeaderEpochApi> = {
  api: offsetForLeaderEpochApi,

  handle(request, context) {
    return {
      topics: request.topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => ({
          partition,
          ...endOfEpoch({ topic, partition, currentLeaderEpoch, leaderEpoch }, context),
        })),
      })),
    }
  },

  failed: (request, error) => ({
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({ partition, ...failure(error.errorCode) })),
    })),
  }),
}

interface Question {
  readonly topic: string
  readonly partition: number
  readonly currentLeaderEpoch: number
  readonly leaderEpoch: number
}

interface EpochEnd {
  readonly errorCode: number
  readonly leaderEpoch: number
  readonly endOffset: bigint
}

function failure(errorCode: number): EpochEnd {
  return { errorCode, leaderEpoch: -1, endOffset: -1n }
}

function endOfEpoch(question: Question, { services }: RequestContext): EpochEnd {
  const topic = services.image().topics.byName(question.topic)
  const partition = topic?.partitions[question.partition]
  if (topic === undefined || partition === undefined) return failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  if (partition.leader !== services.nodeId) return failure(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  if (question.currentLeaderEpoch !== EPOCH_NOT_GIVEN) {
    if (question.currentLeaderEpoch < partition.leaderEpoch) return failure(ErrorCode.FENCED_LEADER_EPOCH)
    if (question.currentLeaderEpoch > partition.leaderEpoch) return failure(ErrorCode.UNKNOWN_LEADER_EPOCH)
  }
  const end = services.data.offsetForLeaderEpoch(topic.topicId, question.partition, question.leaderEpoch)
  return { errorCode: ErrorCode.NONE, leaderEpoch: end.epoch, endOffset: end.endOffset }
}
