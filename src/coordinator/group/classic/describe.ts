// Owns how a classic group looks to administrators. Never changes anything.
import { type DescribeGroupsResponseInput, ErrorCode, type ListGroupsResponseInput } from '#protocol'
import type { ClassicGroup } from './classic-group.ts'
import type { ClassicMember } from './classic-member.ts'

export type DescribedGroup = NonNullable<DescribeGroupsResponseInput['groups']>[number]
export type ListedGroup = NonNullable<ListGroupsResponseInput['groups']>[number]

const NOTHING = Buffer.alloc(0)

/** Metadata is shown of a stable group only: before that the group has not settled on a protocol. */
export function describeGroup(group: ClassicGroup): DescribedGroup {
  const { groupId, protocolName } = group
  const isStable = group.is('Stable') && protocolName !== null
  return {
    errorCode: ErrorCode.NONE,
    groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? protocolName : '',
    members: [...group.members.values()].map(member => describeMember(member, isStable ? protocolName : null)),
  }
}

function describeMember(
  member: ClassicMember,
  protocolName: string | null,
): NonNullable<DescribedGroup['members']>[number] {
  return {
    memberId: member.memberId,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    memberMetadata: protocolName === null ? NOTHING : (member.metadataOf(protocolName) ?? NOTHING),
    memberAssignment: member.assignment,
  }
}

export function listGroup(group: ClassicGroup): ListedGroup {
  return {
    groupId: group.groupId,
    protocolType: group.protocolType ?? '',
    groupState: group.state,
    groupType: 'classic',
  }
}
