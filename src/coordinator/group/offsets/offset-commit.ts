// Owns OffsetCommit: who may commit to a group, and the records of it. Topics and partitions were checked by the broker.
import { ErrorCode, type ErrorName, type OffsetCommitRequest } from '#protocol'
import type { ClassicGroup } from '../classic/classic-group.ts'
import { expectHeartbeat } from '../classic/group-timers.ts'
import type { GroupResponses, GroupTurn, RequestEvent } from '../group-events.ts'
import type { OffsetRecord } from '../group-records.ts'
import type { GroupSettings } from '../group-settings.ts'

/** From here on clients understand that the group is not there. */
const GROUP_NOT_FOUND_VERSION = 9
const DEFAULT_RETENTION = -1n
const NO_EXPIRY = -1

/** Why this commit must be refused as a whole, or null. A simple consumer (no generation) may commit to an empty group. */
export function faultOfCommit(
  group: ClassicGroup | null,
  { request, client }: RequestEvent<'commit'>,
): ErrorName | null {
  const { memberId, groupInstanceId, generationIdOrMemberEpoch: generation } = request
  if (group === null) {
    if (generation < 0) return null
    return client.apiVersion >= GROUP_NOT_FOUND_VERSION ? 'GROUP_ID_NOT_FOUND' : 'ILLEGAL_GENERATION'
  }
  if (generation < 0 && group.is('Empty')) return null
  if (generation < 0 && memberId === '' && groupInstanceId === null) return 'UNKNOWN_MEMBER_ID'
  const fault = group.faultOf(memberId, groupInstanceId)
  if (fault !== null) return fault
  if (generation !== group.generation) return 'ILLEGAL_GENERATION'
  // Its member has the JoinGroup answer of this generation, but it commits what it owned in the one before.
  return group.is('CompletingRebalance') ? 'REBALANCE_IN_PROGRESS' : null
}

/** A member that commits is alive. */
export function keepCommitterAlive(group: ClassicGroup, request: OffsetCommitRequest, turn: GroupTurn): void {
  const member = group.member(request.memberId)
  if (member !== null && group.is('Stable', 'PreparingRebalance')) expectHeartbeat(turn, group, member)
}

export function offsetRecords(request: OffsetCommitRequest, nowMs: number, settings: GroupSettings): OffsetRecord[] {
  // Versions 2 to 4 may ask for a retention of their own.
  const { groupId, retentionTimeMs } = request
  const expireTimestampMs = retentionTimeMs === DEFAULT_RETENTION ? NO_EXPIRY : nowMs + Number(retentionTimeMs)
  const records: OffsetRecord[] = []
  for (const { name: topic, topicId, partitions } of request.topics) {
    for (const { partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata } of partitions) {
      if (isTooLong(committedMetadata, settings)) continue
      records.push({
        kind: 'offset',
        groupId,
        topic,
        partition: partitionIndex,
        value: {
          offset: committedOffset,
          leaderEpoch: committedLeaderEpoch,
          metadata: committedMetadata ?? '',
          commitTimestampMs: nowMs,
          expireTimestampMs,
          topicId,
        },
      })
    }
  }
  return records
}

export function commitAnswer(request: OffsetCommitRequest, settings: GroupSettings): GroupResponses['commit'] {
  return answerEach(request, metadata =>
    isTooLong(metadata, settings) ? ErrorCode.OFFSET_METADATA_TOO_LARGE : ErrorCode.NONE,
  )
}

export function commitFailure(request: OffsetCommitRequest, error: ErrorName): GroupResponses['commit'] {
  return answerEach(request, () => ErrorCode[error])
}

function answerEach(
  { topics }: OffsetCommitRequest,
  errorCodeOf: (metadata: string | null) => number,
): GroupResponses['commit'] {
  return {
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex, committedMetadata }) => ({
        partitionIndex,
        errorCode: errorCodeOf(committedMetadata),
      })),
    })),
  }
}

/** Kafka counts characters, whatever the name of the setting says. */
function isTooLong(metadata: string | null, { offsetMetadataLengthMax }: GroupSettings): boolean {
  return metadata !== null && metadata.length > offsetMetadataLengthMax
}
