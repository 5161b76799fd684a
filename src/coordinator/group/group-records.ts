// Owns the records of `__consumer_offsets` this coordinator knows, as data, and their key and value bytes. Never decides
// when one is written. Invariant: written in the versions Apache Kafka 4.3 writes (OffsetCommitValue v4, or v1 with an
// expiry of its own; GroupMetadataValue v3), read in all versions.
import {
  decodeCoordinatorKey,
  type GroupMetadataValue,
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
} from '#protocol'
import type { RecordSerde } from '../runtime/shard.ts'
import type { LoggedGroup } from './classic/classic-group.ts'
import type { MemberFacts } from './classic/classic-member.ts'

/** An offset a group committed for one partition. */
export interface CommittedOffset {
  readonly offset: bigint
  /** -1: not known. */
  readonly leaderEpoch: number
  readonly metadata: string
  readonly commitTimestampMs: number
  /** -1: expires as the broker's retention says. */
  readonly expireTimestampMs: number
  /** The zero uuid: committed by name, or before topic ids were kept. */
  readonly topicId: string
}

export interface OffsetRecord {
  readonly kind: 'offset'
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  /** Null: a tombstone. */
  readonly value: CommittedOffset | null
}

export interface GroupMetadataRecord {
  readonly kind: 'group'
  readonly groupId: string
  /** Null: a tombstone. */
  readonly value: LoggedGroup | null
}

export type GroupRecord = OffsetRecord | GroupMetadataRecord

export const groupRecordSerde: RecordSerde<GroupRecord> = {
  encode(record) {
    switch (record.kind) {
      case 'offset': {
        const { groupId: group, topic, partition, value } = record
        const key = offsetCommitKey.encode({ group, topic, partition })
        return { key, value: value === null ? null : encodeOffset(value) }
      }
      case 'group': {
        const key = groupMetadataKey.encode({ group: record.groupId })
        return { key, value: record.value === null ? null : encodeGroup(record.value) }
      }
    }
  },

  decode(keyBytes, valueBytes) {
    const key = decodeCoordinatorKey(keyBytes)
    switch (key.type) {
      case 'OffsetCommit': {
        const value = valueBytes === null ? null : decodeOffset(valueBytes)
        return { kind: 'offset', groupId: key.group, topic: key.topic, partition: key.partition, value }
      }
      case 'GroupMetadata': {
        const value = valueBytes === null ? null : decodeGroup(groupMetadataValue.decode(valueBytes))
        return { kind: 'group', groupId: key.group, value }
      }
      case 'Unknown':
        return null
    }
  },
}

function encodeOffset(value: CommittedOffset): Buffer {
  return offsetCommitValue.encode({
    offset: value.offset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestamp: BigInt(value.commitTimestampMs),
    expireTimestamp: BigInt(value.expireTimestampMs),
    topicId: value.topicId,
  })
}

function decodeOffset(bytes: Buffer): CommittedOffset {
  const value = offsetCommitValue.decode(bytes)
  return {
    offset: value.offset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestampMs: Number(value.commitTimestamp),
    expireTimestampMs: Number(value.expireTimestamp),
    topicId: value.topicId,
  }
}

function encodeGroup(group: LoggedGroup): Buffer {
  return groupMetadataValue.encode({
    protocolType: group.protocolType ?? '',
    generation: group.generation,
    protocol: group.protocolName,
    leader: group.leaderId,
    currentStateTimestamp: BigInt(group.stateTimestampMs),
    members: group.members.map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: member.protocols[0]?.metadata ?? Buffer.alloc(0),
      assignment: member.assignment ?? Buffer.alloc(0),
    })),
  })
}

function decodeGroup(value: GroupMetadataValue): LoggedGroup {
  return {
    generation: value.generation,
    protocolType: value.protocolType === '' ? null : value.protocolType,
    protocolName: value.protocol,
    leaderId: value.leader,
    stateTimestampMs: Number(value.currentStateTimestamp),
    members: value.members.map(member => decodeMember(member, value)),
  }
}

function decodeMember(member: GroupMetadataValue['members'][number], group: GroupMetadataValue): MemberFacts {
  return {
    memberId: member.memberId,
    instanceId: member.groupInstanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    sessionTimeoutMs: member.sessionTimeout,
    // Records of before KIP-62 have no rebalance timeout.
    rebalanceTimeoutMs: member.rebalanceTimeout === -1 ? member.sessionTimeout : member.rebalanceTimeout,
    protocolType: group.protocolType,
    // Only the metadata of the protocol in use is logged.
    protocols: group.protocol === null ? [] : [{ name: group.protocol, metadata: member.subscription }],
    assignment: member.assignment,
  }
}
