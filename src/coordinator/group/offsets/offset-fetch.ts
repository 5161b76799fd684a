// Owns OffsetFetch of one group. Never changes anything. Invariant: only committed offsets are seen.
import { ErrorCode, type OffsetFetchRequest, type OffsetFetchResponseInput, ZERO_UUID } from '#protocol'
import type { CommittedOffset } from '../group-records.ts'
import type { OffsetStore } from './offset-store.ts'

export type FetchedGroup = NonNullable<OffsetFetchResponseInput['groups']>[number]
type FetchedPartition = NonNullable<NonNullable<FetchedGroup['topics']>[number]['partitions']>[number]
export type GroupToFetch = OffsetFetchRequest['groups'][number]

const NO_OFFSET = -1n
const NO_LEADER_EPOCH = -1

export function fetchOffsets(store: OffsetStore, group: GroupToFetch, requireStable: boolean): FetchedGroup {
  const topics =
    group.topics === null
      ? allTopics(store, group.groupId, requireStable)
      : group.topics.map(({ name, topicId, partitionIndexes }) => ({
          name,
          topicId,
          partitions: partitionIndexes.map(partition => {
            const offset = store.get(group.groupId, name, partition)
            const isUnstable = requireStable && store.isUnstable(group.groupId, name, partition)
            return answer(partition, isOfTopic(offset, topicId) ? offset : null, isUnstable)
          }),
        }))
  return { groupId: group.groupId, topics, errorCode: ErrorCode.NONE }
}

function allTopics(store: OffsetStore, groupId: string, requireStable: boolean): NonNullable<FetchedGroup['topics']> {
  return [...store.ofGroup(groupId)].map(([name, partitions]) => ({
    name,
    partitions: [...partitions].map(([partition, offset]) =>
      answer(partition, offset, requireStable && store.isUnstable(groupId, name, partition)),
    ),
  }))
}

/** An offset of a topic that was deleted and made again under the same name is not one of this topic. */
function isOfTopic(offset: CommittedOffset | null, topicId: string): boolean {
  return offset === null || topicId === ZERO_UUID || offset.topicId === ZERO_UUID || offset.topicId === topicId
}

function answer(partitionIndex: number, offset: CommittedOffset | null, isUnstable: boolean): FetchedPartition {
  const nothing = { partitionIndex, committedOffset: NO_OFFSET, committedLeaderEpoch: NO_LEADER_EPOCH, metadata: '' }
  if (isUnstable) return { ...nothing, errorCode: ErrorCode.UNSTABLE_OFFSET_COMMIT }
  if (offset === null) return { ...nothing, errorCode: ErrorCode.NONE }
  return {
    partitionIndex,
    committedOffset: offset.offset,
    committedLeaderEpoch: offset.leaderEpoch,
    metadata: offset.metadata,
    errorCode: ErrorCode.NONE,
  }
}
