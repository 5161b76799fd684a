// Owns asking the leaders of many partitions something, each leader once, and again where leadership moved meanwhile.
// Invariant: one outcome for each partition asked about, in the order asked.
import {
  type CallOptions,
  type Cluster,
  noSuchPartition,
  UNKNOWN_TOPIC_GRACE_MS,
  UnknownTopicError,
} from './cluster.ts'
import type { Connection } from './connection.ts'
import { asKafkaError, type KafkaError, kafkaErrorOf, ErrorCode } from './kafka-errors.ts'

export interface PartitionTarget {
  readonly topic: string
  readonly partition: number
}

export interface PartitionOutcome {
  readonly error: KafkaError | null
}

/** `ask` answers for each of its group in order; `refuse` makes an outcome of an error that hit a partition on the way. */
export async function eachLeader<T extends PartitionTarget, R extends PartitionOutcome>(
  cluster: Cluster,
  call: CallOptions,
  targets: readonly T[],
  ask: (connection: Connection, group: readonly T[]) => Promise<readonly R[]>,
  refuse: (target: T, error: KafkaError) => R,
): Promise<readonly R[]> {
  const outcomes = new Map<T, R>()
  const grace = cluster.deadline(UNKNOWN_TOPIC_GRACE_MS)
  const isOpen = (target: T): boolean => outcomes.get(target)?.error?.retriable ?? !outcomes.has(target)
  cluster.trackTopics(new Set(targets.map(target => target.topic)))
  try {
    await cluster.retrying(call, async failures => {
      const open = targets.filter(isOpen)
      const leaderless = (target: T): boolean => cluster.metadata.leaderOf(target.topic, target.partition) === undefined
      if (failures > 0 || open.some(leaderless)) await cluster.refresh()
      const groups = new Map<number, T[]>()
      for (const target of open) {
        const leader = cluster.metadata.leaderOf(target.topic, target.partition)
        if (leader) groups.set(leader.node.nodeId, [...(groups.get(leader.node.nodeId) ?? []), target])
        else outcomes.set(target, refuse(target, whyLeaderless(cluster, target, grace.passed)))
      }
      await Promise.all(
        [...groups].map(async ([nodeId, group]) => {
          try {
            const answers = await ask(await cluster.connectTo(nodeId, 'shared'), group)
            group.forEach((target, index) => outcomes.set(target, answers[index] as R))
          } catch (caught) {
            call.signal?.throwIfAborted()
            for (const target of group) outcomes.set(target, refuse(target, asKafkaError(caught)))
          }
        }),
      )
      const unsettled = targets.find(isOpen)
      if (unsettled) throw outcomes.get(unsettled)?.error ?? kafkaErrorOf(ErrorCode.UNKNOWN_SERVER_ERROR)
    })
  } catch (error) {
    // The time is up with some partitions still failing: they keep their last error. Anything else ends the call.
    if (!targets.every(target => outcomes.has(target))) throw error
    call.signal?.throwIfAborted()
  }
  return targets.map(target => outcomes.get(target) as R)
}

function whyLeaderless(cluster: Cluster, { topic, partition }: PartitionTarget, isFinal: boolean): KafkaError {
  const errorCode = cluster.metadata.topicError(topic)
  const partitionCount = cluster.metadata.topic(topic)?.partitions.length ?? 0
  if (partition < partitionCount) return kafkaErrorOf(ErrorCode.LEADER_NOT_AVAILABLE, `${topic}-${partition}`)
  if (errorCode !== ErrorCode.NONE && errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return kafkaErrorOf(errorCode, `topic '${topic}'`)
  if (isFinal)
    return partitionCount > 0 ? noSuchPartition(topic, partition, partitionCount) : new UnknownTopicError(topic)
  return kafkaErrorOf(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `${topic}-${partition}`)
}
