// Owns SyncGroup: the leader's assignments are logged, and then everyone who waits gets its part.
// Never looks inside an assignment. Invariant: no member sees an assignment of a generation before the log has all of it.
import type { ErrorName, SyncGroupRequest } from '#protocol'
import type { RequestId } from '../../runtime/shard.ts'
import type { GroupTurn, RequestEvent } from '../group-events.ts'
import type { GroupSettings } from '../group-settings.ts'
import { parkSync, syncFailure, syncSuccess } from './answers.ts'
import type { ClassicGroup } from './classic-group.ts'
import { generationRecord } from './group-snapshot.ts'
import { stopSyncTimer } from './group-timers.ts'
import { propagateAssignments, propagateSyncError, startRebalance } from './rebalance.ts'

/** From here on a member says which protocol it believes in. */
const PROTOCOL_NAMED_VERSION = 5

export interface Syncing {
  readonly event: RequestEvent<'sync'>
  readonly request: RequestId
  readonly settings: GroupSettings
}

/** Why a sync is wrong whatever group it is for, or null. */
export function faultOfSync({ request, client }: RequestEvent<'sync'>): ErrorName | null {
  if (client.apiVersion >= PROTOCOL_NAMED_VERSION && (request.protocolType === null || request.protocolName === null)) {
    return 'INCONSISTENT_GROUP_PROTOCOL'
  }
  return request.groupId === '' ? 'INVALID_GROUP_ID' : null
}

export function sync(group: ClassicGroup, syncing: Syncing, turn: GroupTurn): void {
  const { request } = syncing.event
  const fault = faultInGroup(group, request)
  if (fault !== null) {
    turn.respond(syncing.request, syncFailure(fault))
    return
  }
  const member = group.existingMember(request.memberId)
  group.pendingSyncs.delete(member.memberId)
  if (group.pendingSyncs.size === 0) stopSyncTimer(turn, group)
  if (group.is('Stable')) {
    turn.respond(syncing.request, syncSuccess(group, member))
    return
  }
  parkSync(turn, member, syncing.request)
  if (group.isLeader(member.memberId)) logAssignments(group, syncing, turn)
}

function faultInGroup(group: ClassicGroup, request: SyncGroupRequest): ErrorName | null {
  if (group.is('Empty')) return 'UNKNOWN_MEMBER_ID'
  const fault = group.faultOf(request.memberId, request.groupInstanceId)
  if (fault !== null) return fault
  if (request.generationId !== group.generation) return 'ILLEGAL_GENERATION'
  if (differs(request.protocolType, group.protocolType) || differs(request.protocolName, group.protocolName)) {
    return 'INCONSISTENT_GROUP_PROTOCOL'
  }
  return group.is('PreparingRebalance') ? 'REBALANCE_IN_PROGRESS' : null
}

/** Versions that do not name a protocol cannot contradict. */
function differs(claimed: string | null, actual: string | null): boolean {
  return claimed !== null && actual !== null && claimed !== actual
}

function logAssignments(group: ClassicGroup, { event, settings }: Syncing, turn: GroupTurn): void {
  // Members the leader left out get an empty assignment; assignments to strangers are dropped.
  const assignments = new Map(
    event.request.assignments
      .filter(({ memberId }) => group.members.has(memberId))
      .map(({ memberId, assignment }) => [memberId, Buffer.from(assignment)] as const),
  )
  const { nowMs } = turn
  turn.appendWithoutReplay([generationRecord(group, assignments, nowMs)], (failure, later) => {
    if (failure === null) {
      group.transitionTo('Stable', nowMs)
      propagateAssignments(group, later, assignments)
    } else {
      propagateSyncError(group, later, failure)
      startRebalance(group, `assignments could not be logged: ${failure}`, later, settings)
    }
  })
}
