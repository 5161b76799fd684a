// DeleteRecords (21): moves the log start offset forward; -1 means up to the high watermark.
import { isInternalTopic } from '#metadata'
import { deleteRecords as deleteRecordsApi, ErrorCode } from '#protocol'
import type { ApiHandler, RequestContext } from '../request-context.ts'

const LOW_WATERMARK_UNKNOWN = -1n

export const deleteRecords: ApiHandler<typeof deleteRecordsApi> = {
  api: deleteRecordsApi,

  handle(request, context) {
    return {
      topics: request.topics.map(topic => ({
        name: topic.name,
        partitions: topic.partitions.map(({ partitionIndex, offset }) => ({
          partitionIndex,
          ...deleteBefore(topic.name, partitionIndex, offset, context),
        })),
      })),
    }
  },

  failed: (request, error) => ({
    topics: request.topics.map(topic => ({
      name: topic.name,
      partitions: topic.partitions.map(({ partitionIndex }) => ({ partitionIndex, ...failure(error.errorCode) })),
    })),
  }),
}

interface Deleted {
  readonly lowWatermark: bigint
  readonly errorCode: number
}

function failure(errorCode: number): Deleted {
  return { lowWatermark: LOW_WATERMARK_UNKNOWN, errorCode }
}

function deleteBefore(name: string, partitionIndex: number, offset: bigint, { services }: RequestContext): Deleted {
  const image = services.image()
  const topic = image.topics.byName(name)
  const partition = topic?.partitions[partitionIndex]
  if (topic === undefined || partition === undefined) return failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  if (isInternalTopic(name)) return failure(ErrorCode.INVALID_TOPIC_EXCEPTION)
  if (partition.leader !== services.nodeId) return failure(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  // A log that is only compacted keeps its oldest values for good.
  if (!services.config.topicConfig(image, name).get('cleanup.policy').includes('delete')) {
    return failure(ErrorCode.POLICY_VIOLATION)
  }
  if (offset < -1n) return failure(ErrorCode.OFFSET_OUT_OF_RANGE)
  const result = services.data.deleteRecords(topic.topicId, partitionIndex, offset)
  return result.errorCode === ErrorCode.NONE ? result : failure(result.errorCode)
}
