// Owns answering parked JoinGroup and SyncGroup requests of a group's members. Never changes who is a member.
// Invariant: a parked request is answered once; after that the member waits for nothing.
import { ErrorCode, type ErrorName } from '#protocol'
import type { RequestId } from '../../runtime/shard.ts'
import type { GroupResponses, GroupTurn } from '../group-events.ts'
import type { ClassicGroup } from './classic-group.ts'
import type { ClassicMember } from './classic-member.ts'

type JoinAnswer = GroupResponses['join']
type SyncAnswer = GroupResponses['sync']

export const UNKNOWN_MEMBER = ''
const NO_GENERATION = -1

export function joinFailure(error: ErrorName, memberId: string): JoinAnswer {
  return { errorCode: ErrorCode[error], memberId, generationId: NO_GENERATION, protocolType: null, protocolName: null }
}

/** The present generation as this member sees it: only the leader is told who the members are. */
export function joinSuccess(group: ClassicGroup, memberId: string): JoinAnswer {
  return {
    errorCode: ErrorCode.NONE,
    generationId: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leaderId ?? '',
    memberId,
    members: group.isLeader(memberId) ? roster(group) : [],
  }
}

export function roster(group: ClassicGroup): NonNullable<JoinAnswer['members']> {
  const protocolName = group.protocolName ?? ''
  return [...group.members.values()].map(member => ({
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    metadata: member.metadataOf(protocolName) ?? Buffer.alloc(0),
  }))
}

export function syncFailure(error: ErrorName): SyncAnswer {
  return { errorCode: ErrorCode[error] }
}

export function syncSuccess(group: ClassicGroup, member: ClassicMember): SyncAnswer {
  return {
    errorCode: ErrorCode.NONE,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    assignment: member.assignment,
  }
}

/** Parks a JoinGroup. One the same member sent before is told to join again: its connection is most likely gone. */
export function parkJoin(turn: GroupTurn, group: ClassicGroup, member: ClassicMember, request: RequestId): void {
  answerJoin(turn, group, member, joinFailure('REBALANCE_IN_PROGRESS', member.memberId))
  group.setAwaitingJoin(member, request)
}

export function parkSync(turn: GroupTurn, member: ClassicMember, request: RequestId): void {
  answerSync(turn, member, syncFailure('REBALANCE_IN_PROGRESS'))
  member.awaitingSync = request
}

export function answerJoin(turn: GroupTurn, group: ClassicGroup, member: ClassicMember, answer: JoinAnswer): boolean {
  if (member.awaitingJoin === null) return false
  turn.respond(member.awaitingJoin, answer)
  group.setAwaitingJoin(member, null)
  return true
}

export function answerSync(turn: GroupTurn, member: ClassicMember, answer: SyncAnswer): boolean {
  if (member.awaitingSync === null) return false
  turn.respond(member.awaitingSync, answer)
  member.awaitingSync = null
  return true
}
