// Owns looking up offsets by time: earliest, latest, or the first record at or after a timestamp, at each partition's leader.
import { ErrorCode, listOffsets } from '#protocol'
import type { CallOptions, Cluster } from './cluster.ts'
import { kafkaErrorOf } from './kafka-errors.ts'
import { eachLeader, type PartitionOutcome, type PartitionTarget } from './leader-call.ts'

/** `latest` is the next offset to be read; `maxTimestamp` the record with the newest timestamp; a bigint is milliseconds since 1970. */
export type OffsetAt = 'earliest' | 'latest' | 'maxTimestamp' | bigint

export type IsolationLevel = 'read_uncommitted' | 'read_committed'

export interface OffsetQuery extends PartitionTarget {
  readonly at: OffsetAt
}

export interface FoundOffset extends PartitionTarget, PartitionOutcome {
  /** null when no record is that young. */
  readonly offset: bigint | null
  /** Of the record found; -1n for earliest and latest. */
  readonly timestamp: bigint
  readonly leaderEpoch: number
}

/** Timestamps with a meaning of their own. */
const EARLIEST = -2n
const LATEST = -1n
const MAX_TIMESTAMP = -3n
const MAX_TIMESTAMP_VERSION = 7

export function isolationNumber(level: IsolationLevel): 0 | 1 {
  return level === 'read_committed' ? 1 : 0
}

export function lookUpOffsets(
  cluster: Cluster,
  call: CallOptions,
  queries: readonly OffsetQuery[],
  isolation: IsolationLevel,
): Promise<readonly FoundOffset[]> {
  return eachLeader<OffsetQuery, FoundOffset>(
    cluster,
    call,
    queries,
    async (connection, group) => {
      const topics = new Map<string, { partitionIndex: number; currentLeaderEpoch: number; timestamp: bigint }[]>()
      for (const query of group) {
        const list = topics.get(query.topic) ?? []
        topics.set(query.topic, list)
        const currentLeaderEpoch = cluster.metadata.leaderOf(query.topic, query.partition)?.leaderEpoch ?? -1
        list.push({ partitionIndex: query.partition, currentLeaderEpoch, timestamp: timestampOf(query.at) })
      }
      const request = {
        replicaId: -1,
        isolationLevel: isolationNumber(isolation),
        topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
        timeoutMs: Math.ceil(Math.min(call.deadline.remainingMs, cluster.options.requestTimeoutMs)),
      }
      const min = group.some(query => query.at === 'maxTimestamp') ? MAX_TIMESTAMP_VERSION : 1
      const response = await connection.send(listOffsets, request, { signal: call.signal, versions: { min } })
      return group.map(({ topic, partition }) => {
        const result = response.topics
          .find(each => each.name === topic)
          ?.partitions.find(each => each.partitionIndex === partition)
        const errorCode = result?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
        return {
          topic,
          partition,
          error: errorCode === ErrorCode.NONE ? null : kafkaErrorOf(errorCode, `${topic}-${partition}`),
          offset: result && result.offset >= 0n ? result.offset : null,
          timestamp: result?.timestamp ?? -1n,
          leaderEpoch: result?.leaderEpoch ?? -1,
        }
      })
    },
    ({ topic, partition }, error) => ({ topic, partition, error, offset: null, timestamp: -1n, leaderEpoch: -1 }),
  )
}

function timestampOf(at: OffsetAt): bigint {
  switch (at) {
    case 'earliest':
      return EARLIEST
    case 'latest':
      return LATEST
    case 'maxTimestamp':
      return MAX_TIMESTAMP
    default:
      return at
  }
}
