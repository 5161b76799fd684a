// Owns Heartbeat: keeps a member's session alive and tells it when the group rebalances.
import type { ErrorName, HeartbeatRequest } from '#protocol'
import type { GroupTurn } from '../group-events.ts'
import type { ClassicGroup } from './classic-group.ts'
import { expectHeartbeat } from './group-timers.ts'

export function heartbeat(group: ClassicGroup, request: HeartbeatRequest, turn: GroupTurn): ErrorName {
  const fault = group.faultOf(request.memberId, request.groupInstanceId)
  if (fault !== null) return fault
  if (request.generationId !== group.generation) return 'ILLEGAL_GENERATION'
  if (group.is('Empty')) return 'UNKNOWN_MEMBER_ID'
  // Members may heartbeat as soon as they have their JoinGroup answer, before the assignment is there.
  expectHeartbeat(turn, group, group.existingMember(request.memberId))
  return group.is('PreparingRebalance') ? 'REBALANCE_IN_PROGRESS' : 'NONE'
}
