// Owns the admin operations on offsets of partitions: look up and delete before. Each goes to the partition's leader.
import * as protocol from '#protocol'
import { ErrorCode } from '#protocol'
import type { CallOptions, Cluster } from '../network/cluster.ts'
import { kafkaErrorOf } from '../network/kafka-errors.ts'
import { eachLeader } from '../network/leader-call.ts'
import { lookUpOffsets, type OffsetQuery, type FoundOffset } from '../network/offset-lookup.ts'
import type { Outcome } from './admin.ts'
import { remainingMs } from './broker-call.ts'

export type { OffsetQuery } from '../network/offset-lookup.ts'
export type ListedOffset = FoundOffset

export interface RecordsToDelete {
  readonly topic: string
  readonly partition: number
  /** The first offset to keep; -1n keeps none of what is readable now. */
  readonly beforeOffset: bigint
}

export interface DeletedRecords extends Outcome {
  readonly topic: string
  readonly partition: number
  /** The log start offset afterwards, the lowest over the replicas; -1n on an error. */
  readonly lowWatermark: bigint
}

export function listOffsets(
  cluster: Cluster,
  call: CallOptions,
  queries: readonly OffsetQuery[],
  isolationLevel: 'read_uncommitted' | 'read_committed',
): Promise<readonly ListedOffset[]> {
  return lookUpOffsets(cluster, call, queries, isolationLevel)
}

export function deleteRecords(
  cluster: Cluster,
  call: CallOptions,
  partitions: readonly RecordsToDelete[],
): Promise<readonly DeletedRecords[]> {
  return eachLeader(
    cluster,
    call,
    partitions,
    async (connection, group) => {
      const request = {
        topics: protocolTopics(group),
        timeoutMs: Math.min(remainingMs(call), cluster.options.requestTimeoutMs),
      }
      const response = await connection.send(protocol.deleteRecords, request, {
        signal: call.signal,
        timeoutMs: remainingMs(call),
      })
      return group.map(({ topic, partition }) => {
        const result = response.topics
          .find(each => each.name === topic)
          ?.partitions.find(each => each.partitionIndex === partition)
        const errorCode = result?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
        const error = errorCode === ErrorCode.NONE ? null : kafkaErrorOf(errorCode, `${topic}-${partition}`)
        return { topic, partition, error, lowWatermark: result?.lowWatermark ?? -1n }
      })
    },
    (target, error) => ({ topic: target.topic, partition: target.partition, error, lowWatermark: -1n }),
  )
}

function protocolTopics(group: readonly RecordsToDelete[]): NonNullable<protocol.DeleteRecordsRequestInput['topics']> {
  const topics = new Map<string, { partitionIndex: number; offset: bigint }[]>()
  for (const { topic, partition, beforeOffset } of group) {
    const list = topics.get(topic) ?? []
    topics.set(topic, list)
    list.push({ partitionIndex: partition, offset: beforeOffset })
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }))
}
