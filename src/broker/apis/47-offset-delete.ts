// OffsetDelete (47): forgets single offsets of a group, of topics it is not subscribed to (KIP-496).
import { ErrorCode, offsetDelete as offsetDeleteApi } from '#protocol'
import { withGroupTopic } from '../group-topic.ts'
import type { ApiHandler } from '../request-context.ts'

export const offsetDelete: ApiHandler<typeof offsetDeleteApi> = {
  api: offsetDeleteApi,

  handle: (request, context) =>
    withGroupTopic(context, async () => {
      const { topics } = context.services.image()
      const exists = (name: string, partition: number): boolean =>
        topics.byName(name)?.partitions[partition] !== undefined
      const known = request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.filter(({ partitionIndex }) => exists(name, partitionIndex)),
      }))
      const answer = await context.services.groups.offsetDelete({ ...request, topics: known })
      if ((answer.errorCode ?? ErrorCode.NONE) !== ErrorCode.NONE) return answer
      const answered = new Map((answer.topics ?? []).map(topic => [topic.name, topic.partitions ?? []]))
      const errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      return {
        topics: request.topics.map(({ name, partitions }) => ({
          name,
          partitions: [
            ...partitions
              .filter(({ partitionIndex }) => !exists(name, partitionIndex))
              .map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
            ...(answered.get(name) ?? []),
          ],
        })),
      }
    }),
}
