// Owns how a classic group gets from one generation to the next: gathering members, and what ends the gathering.
// Never reads a request. Invariant: every path out of PreparingRebalance either starts a generation or logs the group as empty.
import type { ErrorName } from '#protocol'
import type { GroupTurn } from '../group-events.ts'
import { EMPTY_GROUP_RETRY_MS, type GroupSettings } from '../group-settings.ts'
import {
  answerJoin,
  answerSync,
  joinFailure,
  joinSuccess,
  syncFailure,
  syncSuccess,
  UNKNOWN_MEMBER,
} from './answers.ts'
import { type ClassicGroup, nextGeneration } from './classic-group.ts'
import { type ClassicMember, NO_ASSIGNMENT } from './classic-member.ts'
import { emptyRecord } from './group-snapshot.ts'
import {
  delayInitialJoin,
  expectHeartbeat,
  expectJoins,
  expectSyncs,
  forgetMember,
  stopJoinTimer,
  stopSyncTimer,
} from './group-timers.ts'

/** Starts a rebalance, or completes the one under way if this was the last member it waited for. */
export function rebalanceOrComplete(
  group: ClassicGroup,
  reason: string,
  turn: GroupTurn,
  settings: GroupSettings,
): void {
  if (group.canRebalance) startRebalance(group, reason, turn, settings)
  else completeIfAllJoined(group, turn)
}

export function startRebalance(group: ClassicGroup, reason: string, turn: GroupTurn, settings: GroupSettings): void {
  turn.report('group rebalances', { groupId: group.groupId, generation: group.generation, reason })
  if (group.is('CompletingRebalance')) propagateSyncError(group, turn, 'REBALANCE_IN_PROGRESS')
  group.pendingSyncs.clear()
  stopSyncTimer(turn, group)
  const isInitial = group.is('Empty')
  group.transitionTo('PreparingRebalance', turn.nowMs)
  if (isInitial) {
    const delayMs = settings.initialRebalanceDelayMs
    delayInitialJoin(turn, group, delayMs, Math.max(group.rebalanceTimeoutMs - delayMs, 0))
  } else if (group.haveAllJoined) completeJoin(group, turn)
  else expectJoins(turn, group, group.rebalanceTimeoutMs)
}

/** The first rebalance of an empty group is ended by its timer alone. */
export function completeIfAllJoined(group: ClassicGroup, turn: GroupTurn): void {
  if (group.is('PreparingRebalance') && group.previousState !== 'Empty' && group.haveAllJoined)
    completeJoin(group, turn)
}

/** The delay of the first rebalance is over: once more if someone joined meanwhile and time is left. */
export function initialJoinDue(
  group: ClassicGroup,
  due: { readonly delayMs: number; readonly remainingMs: number },
  turn: GroupTurn,
  settings: GroupSettings,
): void {
  if (!group.is('PreparingRebalance')) return
  if (group.newMemberAdded && due.remainingMs > 0) {
    group.newMemberAdded = false
    const delayMs = Math.min(settings.initialRebalanceDelayMs, due.remainingMs)
    delayInitialJoin(turn, group, delayMs, Math.max(due.remainingMs - due.delayMs, 0))
  } else completeJoin(group, turn)
}

export function joinDue(group: ClassicGroup, turn: GroupTurn): void {
  if (group.is('PreparingRebalance')) completeJoin(group, turn)
}

/** Ends the join phase with those that have joined. Dynamic members that have not are out; static ones keep their place. */
export function completeJoin(group: ClassicGroup, turn: GroupTurn): void {
  stopJoinTimer(turn, group)
  // oxlint-disable-next-line unicorn/no-useless-spread -- members are removed while they are walked
  for (const member of [...group.members.values()]) {
    if (member.awaitingJoin !== null || member.isStatic) continue
    group.remove(member.memberId)
    forgetMember(turn, group, member.memberId)
  }
  if (group.members.size === 0) {
    logAsEmpty(group, turn)
  } else if (group.electJoinedLeader()) {
    startGeneration(group, turn)
  } else {
    // Only static members, and none of them has come back: wait until one does or their sessions end.
    expectJoins(turn, group, group.rebalanceTimeoutMs)
  }
}

function startGeneration(group: ClassicGroup, turn: GroupTurn): void {
  group.startNextGeneration(turn.nowMs)
  group.newMemberAdded = false
  const { groupId, generation, protocolName } = group
  turn.report('group starts a generation', { groupId, generation, protocolName, members: group.members.size })
  for (const member of group.members.values()) {
    answerJoin(turn, group, member, joinSuccess(group, member.memberId))
    expectHeartbeat(turn, group, member)
    member.isNew = false
    group.pendingSyncs.add(member.memberId)
  }
  expectSyncs(turn, group)
}

/** The group is empty once the log says so; until then it goes on preparing, and tries again. */
function logAsEmpty(group: ClassicGroup, turn: GroupTurn): void {
  const generation = nextGeneration(group.generation)
  const { nowMs } = turn
  turn.appendWithoutReplay([emptyRecord(group, generation, nowMs)], (failure, later) => {
    if (failure === null) {
      group.becomeEmpty(generation, nowMs)
      later.report('group is empty', { groupId: group.groupId, generation })
    } else expectJoins(later, group, EMPTY_GROUP_RETRY_MS)
  })
}

/** Takes a member out and lets the group react. Its own parked request, if any, is told that it is not a member. */
export function removeMember(group: ClassicGroup, member: ClassicMember, turn: GroupTurn): void {
  forgetMember(turn, group, member.memberId)
  answerJoin(turn, group, member, joinFailure('UNKNOWN_MEMBER_ID', UNKNOWN_MEMBER))
  answerSync(turn, member, syncFailure('UNKNOWN_MEMBER_ID'))
  group.remove(member.memberId)
}

/** A member, or a pending one, was not heard of in time. */
export function memberDue(group: ClassicGroup, memberId: string, turn: GroupTurn, settings: GroupSettings): void {
  if (group.pendingJoins.has(memberId)) {
    group.remove(memberId)
    if (group.is('PreparingRebalance') && group.haveAllJoined) completeJoin(group, turn)
    return
  }
  const member = group.member(memberId)
  if (member === null || member.isKeptAlive) return
  removeMember(group, member, turn)
  turn.report('member is gone: its session timed out', { groupId: group.groupId, memberId })
  if (group.is('Stable', 'CompletingRebalance')) startRebalance(group, `${memberId} timed out`, turn, settings)
  else if (group.is('PreparingRebalance') && group.haveAllJoined) completeJoin(group, turn)
}

/** Members of this generation that never asked for their assignment are out. */
export function syncDue(group: ClassicGroup, generation: number, turn: GroupTurn, settings: GroupSettings): void {
  if (generation !== group.generation || !group.is('CompletingRebalance', 'Stable')) return
  if (group.pendingSyncs.size === 0) return
  // oxlint-disable-next-line unicorn/no-useless-spread -- members are removed while they are walked
  for (const memberId of [...group.pendingSyncs]) removeMember(group, group.existingMember(memberId), turn)
  startRebalance(group, 'members did not sync in time', turn, settings)
}

export function propagateSyncError(group: ClassicGroup, turn: GroupTurn, error: ErrorName): void {
  for (const member of group.members.values()) {
    member.assignment = NO_ASSIGNMENT
    if (answerSync(turn, member, syncFailure(error))) expectHeartbeat(turn, group, member)
  }
}

export function propagateAssignments(
  group: ClassicGroup,
  turn: GroupTurn,
  assignments: ReadonlyMap<string, Buffer>,
): void {
  for (const member of group.members.values()) {
    member.assignment = assignments.get(member.memberId) ?? NO_ASSIGNMENT
    // A session that ended while the member waited here was let pass: start it anew.
    if (answerSync(turn, member, syncSuccess(group, member))) expectHeartbeat(turn, group, member)
  }
}
