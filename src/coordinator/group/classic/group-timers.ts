// Owns the names of a classic group's timers and what each means. Never decides when one is set.
import type { GroupTurn } from '../group-events.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { ClassicMember } from './classic-member.ts'

const memberKey = (groupId: string, memberId: string): string => `member ${groupId} ${memberId}`
const joinKey = (groupId: string): string => `join ${groupId}`
const syncKey = (groupId: string): string => `sync ${groupId}`

/** The member is taken for dead unless it is heard of before. */
export function expectMember(turn: GroupTurn, group: ClassicGroup, memberId: string, timeoutMs: number): void {
  const { groupId } = group
  turn.setTimer(memberKey(groupId, memberId), timeoutMs, { kind: 'memberDue', groupId, memberId })
}

export function expectHeartbeat(turn: GroupTurn, group: ClassicGroup, member: ClassicMember): void {
  expectMember(turn, group, member.memberId, member.sessionTimeoutMs)
}

export function forgetMember(turn: GroupTurn, group: ClassicGroup, memberId: string): void {
  turn.cancelTimer(memberKey(group.groupId, memberId))
}

/** The first rebalance of an empty group waits a little, so that members starting together share one generation. */
export function delayInitialJoin(turn: GroupTurn, group: ClassicGroup, delayMs: number, remainingMs: number): void {
  const { groupId } = group
  turn.setTimer(joinKey(groupId), delayMs, { kind: 'initialJoinDue', groupId, delayMs, remainingMs })
}

/** The join phase ends then, with those that have joined. */
export function expectJoins(turn: GroupTurn, group: ClassicGroup, timeoutMs: number): void {
  const { groupId } = group
  turn.setTimer(joinKey(groupId), timeoutMs, { kind: 'joinDue', groupId })
}

export function stopJoinTimer(turn: GroupTurn, group: ClassicGroup): void {
  turn.cancelTimer(joinKey(group.groupId))
}

/** Members that have not sent SyncGroup by then are removed (KAFKA-13435). */
export function expectSyncs(turn: GroupTurn, group: ClassicGroup): void {
  const { groupId, generation } = group
  turn.setTimer(syncKey(groupId), group.rebalanceTimeoutMs, { kind: 'syncDue', groupId, generation })
}

export function stopSyncTimer(turn: GroupTurn, group: ClassicGroup): void {
  turn.cancelTimer(syncKey(group.groupId))
}

export function stopAllTimers(turn: GroupTurn, group: ClassicGroup): void {
  stopJoinTimer(turn, group)
  stopSyncTimer(turn, group)
  for (const memberId of group.members.keys()) forgetMember(turn, group, memberId)
  for (const memberId of group.pendingJoins) forgetMember(turn, group, memberId)
}
