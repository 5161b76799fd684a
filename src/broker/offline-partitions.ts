// Owns which partitions of this node a failed disk took offline, for the answers that name offline replicas.
// Never serves or fails a partition: the data plane does, at once; this is what it said last.
import { uuidFromBytes } from '#host'
import type { BrokerHandle } from '#native'

export class OfflinePartitions {
  readonly #nodeId: number
  readonly #keys = new Set<string>()

  constructor(nodeId: number) {
    this.#nodeId = nodeId
  }

  /** A log directory failed: asks the data plane what lay there. */
  refresh(data: BrokerHandle): void {
    this.#keys.clear()
    for (const { topicId, partition } of data.offlinePartitions())
      this.#keys.add(key(uuidFromBytes(topicId), partition))
  }

  /** This node, if its replica of the partition is offline. */
  replicaOf(topicId: string, partition: number): number | null {
    return this.#keys.size > 0 && this.#keys.has(key(topicId, partition)) ? this.#nodeId : null
  }
}

const key = (topicId: string, partition: number) => `${topicId}-${partition}`
