// Owns what is logged of a classic group: the present generation with its members and their assignments.
// Never logs the other protocols of a member, or who waits for what: that is gone with the coordinator.
import { assert } from '#host'
import type { GroupMetadataRecord } from '../group-records.ts'
import type { ClassicGroup } from './classic-group.ts'
import { NO_ASSIGNMENT } from './classic-member.ts'

/** The group as it is once its members have these assignments. */
export function generationRecord(
  group: ClassicGroup,
  assignments: ReadonlyMap<string, Buffer>,
  nowMs: number,
): GroupMetadataRecord {
  const { groupId, generation, protocolType, protocolName, leaderId } = group
  assert(protocolName !== null, 'a generation has a protocol')
  const members = [...group.members.values()].map(member => {
    const metadata = member.metadataOf(protocolName)
    assert(metadata !== null, `${member.memberId} supports the protocol of its group`)
    return {
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      sessionTimeoutMs: member.sessionTimeoutMs,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      protocolType: member.protocolType,
      protocols: [{ name: protocolName, metadata }],
      assignment: assignments.get(member.memberId) ?? NO_ASSIGNMENT,
    }
  })
  return {
    kind: 'group',
    groupId,
    value: { generation, protocolType, protocolName, leaderId, stateTimestampMs: nowMs, members },
  }
}

/** The group without members, in the generation that follows. */
export function emptyRecord(group: ClassicGroup, generation: number, nowMs: number): GroupMetadataRecord {
  return {
    kind: 'group',
    groupId: group.groupId,
    value: {
      generation,
      protocolType: group.protocolType,
      protocolName: null,
      leaderId: null,
      stateTimestampMs: nowMs,
      members: [],
    },
  }
}

/** A group nobody has joined yet. */
export function newGroupRecord(groupId: string, nowMs: number): GroupMetadataRecord {
  return {
    kind: 'group',
    groupId,
    value: {
      generation: 0,
      protocolType: null,
      protocolName: null,
      leaderId: null,
      stateTimestampMs: nowMs,
      members: [],
    },
  }
}
