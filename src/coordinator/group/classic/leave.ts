// Owns LeaveGroup: several members at once, by member id or, for an administrator, by instance id.
// Invariant: each named member is answered for itself; the group reacts once, after all of them are out.
import { ErrorCode, type ErrorName, type LeaveGroupRequest } from '#protocol'
import type { RequestId } from '../../runtime/shard.ts'
import type { GroupResponses, GroupTurn, RequestEvent } from '../group-events.ts'
import type { GroupSettings } from '../group-settings.ts'
import { UNKNOWN_MEMBER } from './answers.ts'
import type { ClassicGroup } from './classic-group.ts'
import { forgetMember } from './group-timers.ts'
import { completeIfAllJoined, rebalanceOrComplete, removeMember } from './rebalance.ts'

/** First version that names members in a list, and answers for each. */
const BATCHED_VERSION = 3

export interface Leaving {
  readonly event: RequestEvent<'leave'>
  readonly request: RequestId
  readonly settings: GroupSettings
}

interface Identity {
  readonly memberId: string
  readonly groupInstanceId: string | null
}

interface MemberAnswer extends Identity {
  readonly errorCode: number
}

export function leave(group: ClassicGroup, { event, request, settings }: Leaving, turn: GroupTurn): void {
  const answers = identities(event).map(identity => ({
    ...identity,
    errorCode: ErrorCode[leaveOne(group, identity, turn)],
  }))
  if (answers.some(({ errorCode }) => errorCode === ErrorCode.NONE)) {
    if (group.is('Stable', 'CompletingRebalance')) rebalanceOrComplete(group, 'members left', turn, settings)
    else completeIfAllJoined(group, turn)
  }
  turn.whenSettled((failure, later) => {
    later.respond(request, failure === null ? leaveAnswer(answers, event) : { errorCode: ErrorCode[failure] })
  })
}

function leaveOne(group: ClassicGroup, { memberId, groupInstanceId }: Identity, turn: GroupTurn): ErrorName {
  if (group.pendingJoins.has(memberId)) {
    group.remove(memberId)
    forgetMember(turn, group, memberId)
    return 'NONE'
  }
  // Without a member id: an administrator removes whoever has the instance id now.
  const owner = groupInstanceId === null ? null : group.staticMemberId(groupInstanceId)
  const leaverId = memberId === UNKNOWN_MEMBER ? (owner ?? UNKNOWN_MEMBER) : memberId
  const fault = group.faultOf(leaverId, groupInstanceId)
  if (fault !== null) return fault
  removeMember(group, group.existingMember(leaverId), turn)
  return 'NONE'
}

/** Before v3 one member leaves, and its error is the error of the whole. */
function identities({ request, client }: RequestEvent<'leave'>): readonly Identity[] {
  if (client.apiVersion >= BATCHED_VERSION) {
    return request.members.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId }))
  }
  return [{ memberId: request.memberId, groupInstanceId: null }]
}

function leaveAnswer(members: readonly MemberAnswer[], { client }: RequestEvent<'leave'>): GroupResponses['leave'] {
  if (client.apiVersion >= BATCHED_VERSION) return { members }
  return { errorCode: members[0]?.errorCode ?? ErrorCode.NONE }
}

/** A group nobody knows has none of these members. */
export function unknownGroupAnswer(event: RequestEvent<'leave'>): GroupResponses['leave'] {
  const errorCode = ErrorCode.UNKNOWN_MEMBER_ID
  return leaveAnswer(
    identities(event).map(identity => ({ ...identity, errorCode })),
    event,
  )
}

export function faultOfLeave(request: LeaveGroupRequest): ErrorName | null {
  return request.groupId === '' ? 'INVALID_GROUP_ID' : null
}
