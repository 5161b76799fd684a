// Owns the admin operations on consumer groups: list on every broker, describe and delete at each group's coordinator.
import * as protocol from '#protocol'
import { consumerAssignment, consumerSubscription, ErrorCode } from '#protocol'
import type { TopicPartitions } from '../consumer/assignors.ts'
import type { CallOptions, Cluster } from '../network/cluster.ts'
import { asKafkaError, type KafkaError, kafkaErrorOf } from '../network/kafka-errors.ts'
import type { Outcome } from './admin.ts'
import { callCoordinator } from './broker-call.ts'

export interface ListGroupsFilter {
  /** Only groups in these states, such as 'Stable' or 'Empty'. */
  readonly states?: readonly string[]
}

export interface GroupListing {
  readonly groupId: string
  readonly protocolType: string
  /** '' when the broker is too old to tell. */
  readonly state: string
  readonly type: string
}

export interface GroupDescription extends Outcome {
  readonly groupId: string
  readonly state: string
  readonly protocolType: string
  /** The assignor in use. */
  readonly protocol: string
  readonly members: readonly GroupMember[]
}

export interface GroupMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** null where the group is not one of consumers. */
  readonly topics: readonly string[] | null
  readonly assignment: readonly TopicPartitions[] | null
}

export async function listGroups(
  cluster: Cluster,
  call: CallOptions,
  filter: ListGroupsFilter,
): Promise<readonly GroupListing[]> {
  const request = { statesFilter: filter.states ?? [] }
  const answers = await cluster.retrying(call, async () => {
    await cluster.refresh()
    const nodeIds = [...cluster.metadata.brokers.keys()]
    return Promise.all(
      nodeIds.map(async nodeId => {
        const response = await cluster.sendTo(nodeId, 'shared', protocol.listGroups, request, { signal: call.signal })
        if (response.errorCode !== ErrorCode.NONE) throw kafkaErrorOf(response.errorCode, `groups of broker ${nodeId}`)
        return response.groups
      }),
    )
  })
  const listings = answers.flat().map(({ groupId, protocolType, groupState, groupType }) => ({
    groupId,
    protocolType,
    state: groupState,
    type: groupType,
  }))
  return listings.sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
}

export async function describeGroups(
  cluster: Cluster,
  call: CallOptions,
  groupIds: readonly string[],
): Promise<readonly GroupDescription[]> {
  return Promise.all(
    groupIds.map(async groupId => {
      try {
        const request = { groups: [groupId] }
        const check = (response: protocol.DescribeGroupsResponse): void => throwIfRetriable(response.groups[0], groupId)
        const response = await callCoordinator(cluster, call, { groupId, api: protocol.describeGroups, request, check })
        return toDescription(groupId, response.groups[0])
      } catch (error) {
        return noDescription(groupId, rethrowUnlessKafka(error))
      }
    }),
  )
}

export async function deleteGroups(
  cluster: Cluster,
  call: CallOptions,
  groupIds: readonly string[],
): Promise<readonly (Outcome & { readonly groupId: string })[]> {
  return Promise.all(
    groupIds.map(async groupId => {
      try {
        const request = { groupsNames: [groupId] }
        const check = (response: protocol.DeleteGroupsResponse): void => throwIfRetriable(response.results[0], groupId)
        const response = await callCoordinator(cluster, call, { groupId, api: protocol.deleteGroups, request, check })
        const errorCode = response.results[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
        return { groupId, error: errorCode === ErrorCode.NONE ? null : kafkaErrorOf(errorCode, `group '${groupId}'`) }
      } catch (error) {
        return { groupId, error: rethrowUnlessKafka(error) }
      }
    }),
  )
}

/** A coordinator that moved or is loading is asked again; any other error is the group's outcome. */
function throwIfRetriable(result: { readonly errorCode: number } | undefined, groupId: string): void {
  if (!result || result.errorCode === ErrorCode.NONE) return
  const error = kafkaErrorOf(result.errorCode, `group '${groupId}'`)
  if (error.retriable) throw error
}

/** What is not a KafkaError is an abort of the caller's and ends the whole call. */
function rethrowUnlessKafka(caught: unknown): KafkaError {
  const error = asKafkaError(caught)
  if (error !== caught) throw caught
  return error
}

function toDescription(
  groupId: string,
  group: protocol.DescribeGroupsResponse['groups'][number] | undefined,
): GroupDescription {
  if (!group) return noDescription(groupId, kafkaErrorOf(ErrorCode.UNKNOWN_SERVER_ERROR, `group '${groupId}'`))
  if (group.errorCode !== ErrorCode.NONE) {
    return {
      ...noDescription(groupId, kafkaErrorOf(group.errorCode, `group '${groupId}'`, group.errorMessage)),
      state: group.groupState,
    }
  }
  const isConsumer = group.protocolType === 'consumer'
  return {
    groupId,
    error: null,
    state: group.groupState,
    protocolType: group.protocolType,
    protocol: group.protocolData,
    members: group.members.map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      topics:
        isConsumer && member.memberMetadata.length > 0
          ? consumerSubscription.decode(member.memberMetadata).topics
          : null,
      assignment:
        isConsumer && member.memberAssignment.length > 0
          ? consumerAssignment.decode(member.memberAssignment).assignedPartitions
          : null,
    })),
  }
}

function noDescription(groupId: string, error: KafkaError): GroupDescription {
  return { groupId, error, state: '', protocolType: '', protocol: '', members: [] }
}
