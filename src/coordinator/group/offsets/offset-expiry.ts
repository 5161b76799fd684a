// Owns when a committed offset is too old to keep (KIP-211). Never removes one: it names them.
import { ZERO_UUID } from '#protocol'
import type { ClassicGroup } from '../classic/classic-group.ts'
import type { DeletedTopic } from '../group-events.ts'
import type { CommittedOffset, OffsetRecord } from '../group-records.ts'
import type { GroupSettings } from '../group-settings.ts'
import type { OffsetStore } from './offset-store.ts'

/** Tombstones of the offsets of the group that have expired, at most `limit` of them. */
export function expiredOffsets(
  store: OffsetStore,
  group: ClassicGroup,
  nowMs: number,
  { settings, limit }: { readonly settings: GroupSettings; readonly limit: number },
): OffsetRecord[] {
  const since = retentionStart(group)
  if (since === null) return []
  return tombstones(store, group.groupId, limit, (offset, topic, partition) => {
    if (group.isSubscribedTo(topic) || store.isUnstable(group.groupId, topic, partition)) return false
    if (offset.expireTimestampMs !== -1) return nowMs >= offset.expireTimestampMs
    return nowMs - since(offset) >= settings.offsetsRetentionMs
  })
}

type RetentionStart = (offset: CommittedOffset) => number

/**
 * From when retention counts: for an empty group from when it became empty (or, if not known, from the commit); for a stable
 * group of consumers, and for a simple consumer, from the commit. Null: nothing of this group expires now.
 */
function retentionStart(group: ClassicGroup): RetentionStart | null {
  const sinceCommit: RetentionStart = offset => offset.commitTimestampMs
  if (group.protocolType === null) return sinceCommit
  if (group.is('Empty')) {
    const sinceMs = group.stateTimestampMs
    return sinceMs === -1 ? sinceCommit : () => sinceMs
  }
  return group.is('Stable') && group.subscribedTopics !== null ? sinceCommit : null
}

/** Tombstones of the offsets of these topics, at most `limit` of them. */
export function offsetsOfTopics(
  store: OffsetStore,
  groupId: string,
  topics: readonly DeletedTopic[],
  limit: number,
): OffsetRecord[] {
  const deleted = new Map(topics.map(topic => [topic.name, topic.topicId ?? ZERO_UUID]))
  return tombstones(store, groupId, limit, (offset, topic) => {
    const topicId = deleted.get(topic)
    if (topicId === undefined) return false
    return topicId === ZERO_UUID || offset.topicId === ZERO_UUID || offset.topicId === topicId
  })
}

export function allOffsets(store: OffsetStore, groupId: string, limit: number): OffsetRecord[] {
  return tombstones(store, groupId, limit, () => true)
}

function tombstones(
  store: OffsetStore,
  groupId: string,
  limit: number,
  isDue: (offset: CommittedOffset, topic: string, partition: number) => boolean,
): OffsetRecord[] {
  const records: OffsetRecord[] = []
  for (const [topic, partitions] of store.ofGroup(groupId)) {
    for (const [partition, offset] of partitions) {
      if (records.length >= limit) return records
      if (isDue(offset, topic, partition)) records.push({ kind: 'offset', groupId, topic, partition, value: null })
    }
  }
  return records
}
