// Owns JoinGroup for a classic group that exists: who is let in, under which member id, and when that means a rebalance.
// Never creates or deletes a group (group-shard.ts does). Invariant: a refused join changes nothing, except that a member
// of a group that shrank below its size (group.max.size) is let go.
import { assert } from '#host'
import { ErrorCode, type ErrorName } from '#protocol'
import type { RequestId } from '../../runtime/shard.ts'
import type { GroupTurn, RequestEvent } from '../group-events.ts'
import { type GroupSettings, NEW_MEMBER_JOIN_TIMEOUT_MS, PENDING_JOINS_MAX } from '../group-settings.ts'
import { answerJoin, answerSync, joinFailure, joinSuccess, parkJoin, syncFailure, UNKNOWN_MEMBER } from './answers.ts'
import type { ClassicGroup } from './classic-group.ts'
import { ClassicMember } from './classic-member.ts'
import { generationRecord } from './group-snapshot.ts'
import { expectHeartbeat, expectMember, forgetMember } from './group-timers.ts'
import { completeIfAllJoined, rebalanceOrComplete, startRebalance } from './rebalance.ts'

/** First version in which a new member is told its id before it may join (KIP-394). */
const MEMBER_ID_REQUIRED_VERSION = 4
/** First version whose static leader can be told to keep the present assignment. */
const SKIP_ASSIGNMENT_VERSION = 9

export interface Joining {
  readonly event: RequestEvent<'join'>
  readonly request: RequestId
  readonly settings: GroupSettings
}

/** Why a join is wrong whatever group it is for, or null. */
export function faultOfJoin({ request }: RequestEvent<'join'>, settings: GroupSettings): ErrorName | null {
  if (request.groupId === '') return 'INVALID_GROUP_ID'
  const { sessionTimeoutMs } = request
  if (sessionTimeoutMs < settings.sessionTimeoutMsMin || sessionTimeoutMs > settings.sessionTimeoutMsMax) {
    return 'INVALID_SESSION_TIMEOUT'
  }
  return null
}

export function join(group: ClassicGroup, joining: Joining, turn: GroupTurn): void {
  const { request } = joining.event
  if (!hasRoomFor(group, request.memberId, joining.settings)) {
    letGo(group, request.memberId, turn)
    turn.respond(joining.request, joinFailure('GROUP_MAX_SIZE_REACHED', UNKNOWN_MEMBER))
  } else if (!group.supports(request.protocolType, request.protocols)) {
    turn.respond(joining.request, joinFailure('INCONSISTENT_GROUP_PROTOCOL', request.memberId))
  } else if (request.memberId === UNKNOWN_MEMBER) joinAsUnknown(group, joining, turn)
  else joinAsKnown(group, joining, turn)
}

/**
 * While members gather, those that have joined count: the group may be larger than the limit if the limit was lowered,
 * and then the last ones to come back are turned away.
 */
function hasRoomFor(group: ClassicGroup, memberId: string, { groupSizeMax }: GroupSettings): boolean {
  switch (group.state) {
    case 'Empty':
    case 'Dead':
      return true
    case 'PreparingRebalance':
      return (group.member(memberId)?.awaitingJoin ?? null) !== null || group.awaitingJoins < groupSizeMax
    case 'CompletingRebalance':
    case 'Stable':
      return group.members.has(memberId) || group.members.size < groupSizeMax
    default:
      return group.state satisfies never
  }
}

function letGo(group: ClassicGroup, memberId: string, turn: GroupTurn): void {
  const member = group.member(memberId)
  if (member === null && !group.pendingJoins.has(memberId)) return
  forgetMember(turn, group, memberId)
  group.remove(memberId)
  completeIfAllJoined(group, turn)
}

// ---- without a member id

function joinAsUnknown(group: ClassicGroup, joining: Joining, turn: GroupTurn): void {
  const { request, client, newMemberUuid } = joining.event
  if (request.groupInstanceId !== null) {
    const memberId = `${request.groupInstanceId}-${newMemberUuid}`
    const presentId = group.staticMemberId(request.groupInstanceId)
    if (presentId === null) addMember(group, memberId, joining, turn)
    else takeOver(group, group.existingMember(presentId), { ...joining, memberId }, turn)
    return
  }
  const memberId = `${client.clientId}-${newMemberUuid}`
  if (client.apiVersion >= MEMBER_ID_REQUIRED_VERSION) handOutMemberId(group, memberId, joining, turn)
  else addMember(group, memberId, joining, turn)
}

/** KIP-394: a client that never hears its member id must not leave a member behind that holds up rebalances. */
function handOutMemberId(group: ClassicGroup, memberId: string, joining: Joining, turn: GroupTurn): void {
  if (group.pendingJoins.size >= PENDING_JOINS_MAX) {
    turn.respond(joining.request, joinFailure('GROUP_MAX_SIZE_REACHED', UNKNOWN_MEMBER))
    return
  }
  assert(!group.members.has(memberId), 'a new member id is not in use')
  group.pendingJoins.add(memberId)
  expectMember(turn, group, memberId, joining.event.request.sessionTimeoutMs)
  turn.respond(joining.request, joinFailure('MEMBER_ID_REQUIRED', memberId))
}

function addMember(group: ClassicGroup, memberId: string, joining: Joining, turn: GroupTurn): void {
  const { request, client } = joining.event
  const member = new ClassicMember({
    memberId,
    instanceId: request.groupInstanceId,
    clientId: client.clientId,
    clientHost: client.clientHost,
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: rebalanceTimeoutMs(joining),
    protocolType: request.protocolType,
    protocols: request.protocols,
  })
  member.isNew = true
  if (group.is('PreparingRebalance') && group.previousState === 'Empty') group.newMemberAdded = true
  group.add(member, joining.request)
  expectMember(turn, group, memberId, NEW_MEMBER_JOIN_TIMEOUT_MS)
  rebalanceOrComplete(group, joinReason(memberId, 'joined', joining), turn, joining.settings)
}

/** JoinGroup v0 knows no rebalance timeout: the session timeout serves for both. */
function rebalanceTimeoutMs({ event: { request, client } }: Joining): number {
  return client.apiVersion === 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs
}

/** Clients may say why they join (KIP-800). */
function joinReason(memberId: string, what: string, { event }: Joining): string {
  const said = event.request.reason
  return said === null || said === '' ? `${memberId} ${what}` : `${memberId} ${what}: ${said}`
}

// ---- with a member id

function joinAsKnown(group: ClassicGroup, joining: Joining, turn: GroupTurn): void {
  const { memberId, groupInstanceId, protocols } = joining.event.request
  if (group.pendingJoins.has(memberId) && groupInstanceId === null) {
    addMember(group, memberId, joining, turn)
    return
  }
  const fault = group.faultOf(memberId, groupInstanceId)
  if (fault !== null) {
    turn.respond(joining.request, joinFailure(fault, memberId))
    return
  }
  const member = group.existingMember(memberId)
  if (needsRebalance(group, member, joining)) {
    updateMember(group, member, joining)
    parkJoin(turn, group, member, joining.request)
    rebalanceOrComplete(group, joinReason(memberId, 'joined again', joining), turn, joining.settings)
  } else {
    assert(member.hasSameProtocols(protocols), 'a member that changed its protocols makes the group rebalance')
    turn.respond(joining.request, joinSuccess(group, memberId))
  }
}

/**
 * A member that changed its metadata, and a leader of a stable group (it saw something that changes assignments, such as new
 * partitions), start a rebalance. Anyone else just did not hear the answer to its last JoinGroup, and gets it again.
 */
function needsRebalance(group: ClassicGroup, member: ClassicMember, joining: Joining): boolean {
  if (group.is('PreparingRebalance')) return true
  if (group.is('Stable') && group.isLeader(member.memberId)) return true
  return !member.hasSameProtocols(joining.event.request.protocols)
}

function updateMember(group: ClassicGroup, member: ClassicMember, joining: Joining): void {
  const { request, client } = joining.event
  group.setProtocols(member, request.protocols)
  member.sessionTimeoutMs = request.sessionTimeoutMs
  member.rebalanceTimeoutMs = rebalanceTimeoutMs(joining)
  member.clientId = client.clientId
  member.clientHost = client.clientHost
}

// ---- static members

/** KIP-345: a process with a known instance id but no member id takes the place of the one that had it. */
function takeOver(
  group: ClassicGroup,
  old: ClassicMember,
  joining: Joining & { readonly memberId: string },
  turn: GroupTurn,
): void {
  const { memberId, settings } = joining
  const formerLeaderId = group.leaderId
  answerJoin(turn, group, old, joinFailure('FENCED_INSTANCE_ID', old.memberId))
  answerSync(turn, old, syncFailure('FENCED_INSTANCE_ID'))
  forgetMember(turn, group, old.memberId)
  const member = group.replaceStaticMember(old, memberId)
  updateMember(group, member, joining)
  expectHeartbeat(turn, group, member)
  if (group.is('Stable') && group.protocolName === group.selectProtocol()) {
    keepAssignment(group, { old, member, formerLeaderId }, joining, turn)
    return
  }
  parkJoin(turn, group, member, joining.request)
  if (group.is('PreparingRebalance')) completeIfAllJoined(group, turn)
  // In CompletingRebalance the leader may have been told the old member id: its assignment would not reach the new one.
  else startRebalance(group, joinReason(memberId, 'took over its instance id', joining), turn, settings)
}

interface TakenOver {
  readonly old: ClassicMember
  readonly member: ClassicMember
  readonly formerLeaderId: string | null
}

/** The generation goes on; only the member id changes, once the log has it. */
function keepAssignment(group: ClassicGroup, taken: TakenOver, joining: Joining, turn: GroupTurn): void {
  const { old, member, formerLeaderId } = taken
  const assignments = new Map([...group.members.values()].map(each => [each.memberId, each.assignment]))
  const record = generationRecord(group, assignments, group.stateTimestampMs)
  turn.appendWithoutReplay([record], (failure, later) => {
    if (failure === null) {
      later.respond(joining.request, keptAnswer(group, member.memberId, formerLeaderId, joining))
      return
    }
    forgetMember(later, group, member.memberId)
    const restored = group.replaceStaticMember(member, old.memberId)
    group.setProtocols(restored, old.protocols)
    restored.sessionTimeoutMs = old.sessionTimeoutMs
    restored.rebalanceTimeoutMs = old.rebalanceTimeoutMs
    restored.clientId = old.clientId
    restored.clientHost = old.clientHost
    expectHeartbeat(later, group, restored)
    later.respond(joining.request, joinFailure(failure, UNKNOWN_MEMBER))
  })
}

/** From v9 on the leader learns that it leads, and not to assign again. Older ones are named the leader that was. */
function keptAnswer(
  group: ClassicGroup,
  memberId: string,
  formerLeaderId: string | null,
  { event }: Joining,
): ReturnType<typeof joinSuccess> {
  const answer = joinSuccess(group, memberId)
  if (event.client.apiVersion >= SKIP_ASSIGNMENT_VERSION) return { ...answer, skipAssignment: group.isLeader(memberId) }
  return { ...answer, leader: formerLeaderId ?? '', members: [], errorCode: ErrorCode.NONE }
}
