// Owns the committed offsets of one partition's groups. Changes only by replaying records and transaction markers.
// Invariant: offsets of an open transaction are kept apart until its marker; of two commits the later one in the log wins.
import type { CommittedOffset, OffsetRecord } from '../group-records.ts'

interface StoredOffset extends CommittedOffset {
  /** Where in the log it was committed: a transaction's offsets take effect later than they are logged. */
  readonly recordOffset: bigint
}

type TopicOffsets = Map<number, StoredOffset>
type GroupOffsets = Map<string, TopicOffsets>
type OffsetsByGroup = Map<string, GroupOffsets>

export class OffsetStore {
  readonly #committed: OffsetsByGroup = new Map()
  readonly #staged = new Map<bigint, OffsetsByGroup>()
  #count = 0

  /** How many offsets are committed, in all groups. */
  get count(): number {
    return this.#count
  }

  get groupIds(): Iterable<string> {
    return this.#committed.keys()
  }

  get(groupId: string, topic: string, partition: number): CommittedOffset | null {
    return this.#committed.get(groupId)?.get(topic)?.get(partition) ?? null
  }

  has(groupId: string): boolean {
    return this.#committed.has(groupId)
  }

  /** By topic, then by partition. */
  ofGroup(groupId: string): ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>> {
    return this.#committed.get(groupId) ?? new Map()
  }

  /** Whether an open transaction has staged an offset here: the committed one may soon be an older one. */
  isUnstable(groupId: string, topic: string, partition: number): boolean {
    for (const groups of this.#staged.values()) {
      if (groups.get(groupId)?.get(topic)?.has(partition) === true) return true
    }
    return false
  }

  hasOpenTransaction(groupId: string): boolean {
    for (const groups of this.#staged.values()) if (groups.has(groupId)) return true
    return false
  }

  replay(record: OffsetRecord, recordOffset: bigint, transactionalProducerId: bigint): void {
    const { groupId, topic, partition, value } = record
    if (value === null) {
      if (remove(this.#committed, record)) this.#count--
      for (const groups of this.#staged.values()) remove(groups, record)
    } else if (transactionalProducerId >= 0n) {
      let groups = this.#staged.get(transactionalProducerId)
      if (groups === undefined) this.#staged.set(transactionalProducerId, (groups = new Map()))
      put(groups, groupId, topic, partition, { ...value, recordOffset })
    } else if (put(this.#committed, groupId, topic, partition, { ...value, recordOffset })) this.#count++
  }

  replayMarker(producerId: bigint, committed: boolean): void {
    const groups = this.#staged.get(producerId)
    this.#staged.delete(producerId)
    if (groups === undefined || !committed) return
    for (const [groupId, topics] of groups) {
      for (const [topic, partitions] of topics) {
        for (const [partition, staged] of partitions) {
          const present = this.#committed.get(groupId)?.get(topic)?.get(partition)
          if (present !== undefined && present.recordOffset > staged.recordOffset) continue
          if (put(this.#committed, groupId, topic, partition, staged)) this.#count++
        }
      }
    }
  }
}

/** True when there was none before. */
function put(groups: OffsetsByGroup, groupId: string, topic: string, partition: number, value: StoredOffset): boolean {
  let topics = groups.get(groupId)
  if (topics === undefined) groups.set(groupId, (topics = new Map()))
  let partitions = topics.get(topic)
  if (partitions === undefined) topics.set(topic, (partitions = new Map()))
  const isNew = !partitions.has(partition)
  partitions.set(partition, value)
  return isNew
}

/** True when there was one. */
function remove(groups: OffsetsByGroup, { groupId, topic, partition }: OffsetRecord): boolean {
  const topics = groups.get(groupId)
  const partitions = topics?.get(topic)
  if (topics === undefined || partitions === undefined || !partitions.delete(partition)) return false
  if (partitions.size === 0) topics.delete(topic)
  if (topics.size === 0) groups.delete(groupId)
  return true
}
