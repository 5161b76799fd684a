// Owns the records between send() and the wire: partition choice, batches, what may go out now, what comes back for another attempt,
// what is too old. Pure: time, leaders and sequences come in. Invariants: batches of a partition leave in the order they were made;
// while one is retried nothing overtakes it; bufferedBytes is exactly the sum of the sizes of unsettled records.
import { assert } from '#host'
import type { StickyPartitioner } from './partitioner.ts'
import { partitionOfKey } from './partitioner.ts'
import { type Entry, ProducerBatch } from './producer-batch.ts'

export interface AccumulatorLimits {
  readonly batchBytes: number
  readonly lingerMs: number
  readonly deliveryTimeoutMs: number
  /** Batches of one partition on the wire at a time; Kafka's brokers remember five for an idempotent producer. */
  readonly inFlightPerPartition: number
  /** Most bytes of batches in one Produce request; at the limit the rest waits for the next. */
  readonly requestBytesMax: number
}

/** What is known of a topic: all partitions, and for each the broker that leads it. */
export interface TopicView {
  readonly partitionCount: number
  leaderOf(partition: number): number | null
}

export interface NodeBatches {
  readonly nodeId: number
  readonly batches: readonly ProducerBatch[]
}

interface Queue {
  readonly topic: string
  readonly partition: number
  /** Waiting, in order; only the last can be open. */
  readonly waiting: ProducerBatch[]
  readonly inFlight: Set<ProducerBatch>
  nextOrder: number
  retryAtMs: number
  /** A batch came back: what is in flight has to settle before anything goes out again, or order is lost. */
  isRetrying: boolean
}

interface Unplaced {
  readonly entry: Entry
  readonly sinceMs: number
}

export class Accumulator {
  readonly #limits: AccumulatorLimits
  readonly #sticky: StickyPartitioner
  readonly #queues = new Map<string, Map<number, Queue>>()
  readonly #unplaced = new Map<string, Unplaced[]>()
  #bufferedBytes = 0
  #flushes = 0
  #rotation = 0

  constructor(limits: AccumulatorLimits, sticky: StickyPartitioner) {
    this.#limits = limits
    this.#sticky = sticky
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  get inFlightCount(): number {
    let count = 0
    for (const queue of this.#allQueues()) count += queue.inFlight.size
    return count
  }

  get isEmpty(): boolean {
    return this.#bufferedBytes === 0
  }

  /** Topics whose records cannot be placed yet. */
  get unplacedTopics(): readonly string[] {
    return [...this.#unplaced.keys()]
  }

  append(entry: Entry, view: TopicView | undefined, nowMs: number): void {
    const { topic } = entry.record
    this.#bufferedBytes += entry.record.sizeBytes
    const unplaced = this.#unplaced.get(topic)
    if (unplaced || !view) {
      // Behind those that wait already, so that records of a topic keep their order.
      if (unplaced) unplaced.push({ entry, sinceMs: nowMs })
      else this.#unplaced.set(topic, [{ entry, sinceMs: nowMs }])
      return
    }
    this.#place(entry, view, nowMs)
  }

  /** The topic is known now: its records find their partitions. Returns those that named one it does not have. */
  topicKnown(topic: string, view: TopicView, nowMs: number): readonly Entry[] {
    const unplaced = this.#unplaced.get(topic)
    if (!unplaced) return []
    this.#unplaced.delete(topic)
    const refused: Entry[] = []
    for (const { entry, sinceMs } of unplaced) {
      const { partition } = entry.record
      if (partition !== null && partition >= view.partitionCount) refused.push(entry)
      else this.#place(entry, view, Math.min(sinceMs, nowMs))
    }
    for (const entry of refused) this.#bufferedBytes -= entry.record.sizeBytes
    return refused
  }

  /** Gives up on the records of a topic that was asked about since before `sinceMs`. */
  takeUnplaced(topic: string, sinceMs: number): readonly Entry[] {
    const unplaced = this.#unplaced.get(topic) ?? []
    const taken = unplaced.filter(each => each.sinceMs <= sinceMs).map(each => each.entry)
    const left = unplaced.slice(taken.length)
    if (left.length === 0) this.#unplaced.delete(topic)
    else this.#unplaced.set(topic, left)
    for (const entry of taken) this.#bufferedBytes -= entry.record.sizeBytes
    return taken
  }

  /** While held, batches go out without waiting for linger. */
  flushBegan(): void {
    this.#flushes += 1
  }

  flushEnded(): void {
    assert(this.#flushes > 0, 'a flush ends once')
    this.#flushes -= 1
  }

  /** Batches that may go out now, at most one a partition and one request a node; they count as in flight from here on. */
  drain(
    viewOf: (topic: string) => TopicView | undefined,
    canSendTo: (nodeId: number) => boolean,
    nowMs: number,
    hurry: boolean,
  ): readonly NodeBatches[] {
    const byNode = new Map<number, { bytes: number; batches: ProducerBatch[] }>()
    for (const queue of this.#rotatedQueues()) {
      const batch = this.#sendable(queue, nowMs, hurry)
      if (!batch) continue
      const nodeId = viewOf(queue.topic)?.leaderOf(queue.partition) ?? null
      if (nodeId === null || !canSendTo(nodeId)) continue
      const request = byNode.get(nodeId) ?? { bytes: 0, batches: [] }
      if (request.batches.length > 0 && request.bytes + batch.sizeBytes > this.#limits.requestBytesMax) continue
      byNode.set(nodeId, request)
      request.bytes += batch.sizeBytes
      request.batches.push(batch)
      queue.waiting.shift()
      queue.inFlight.add(batch)
      batch.isClosed = true
      batch.attempts += 1
    }
    return [...byNode].map(([nodeId, { batches }]) => ({ nodeId, batches }))
  }

  /** Topics with a batch that could go out if its partition had a leader. */
  topicsWithoutLeader(viewOf: (topic: string) => TopicView | undefined): readonly string[] {
    const topics = new Set<string>()
    for (const queue of this.#allQueues()) {
      if (queue.waiting.length > 0 && (viewOf(queue.topic)?.leaderOf(queue.partition) ?? null) === null)
        topics.add(queue.topic)
    }
    return [...topics]
  }

  /** Settled for good, one way or the other. */
  settled(batch: ProducerBatch): void {
    const queue = this.#queueOf(batch)
    assert(queue.inFlight.delete(batch), 'only a batch in flight is settled')
    this.#released(batch)
    if (queue.inFlight.size === 0 && queue.waiting.every(each => each.attempts === 0)) queue.isRetrying = false
  }

  /** Goes back to its place for another attempt at `retryAtMs`. */
  retryLater(batch: ProducerBatch, retryAtMs: number): void {
    const queue = this.#queueOf(batch)
    assert(queue.inFlight.delete(batch), 'only a batch in flight is retried')
    const at = queue.waiting.findIndex(other => other.order > batch.order)
    queue.waiting.splice(at < 0 ? queue.waiting.length : at, 0, batch)
    queue.retryAtMs = Math.max(queue.retryAtMs, retryAtMs)
    queue.isRetrying = true
  }

  /** The broker takes no batch of this size: two of half the size take its place, and its sequences. */
  split(batch: ProducerBatch): void {
    const queue = this.#queueOf(batch)
    assert(queue.inFlight.delete(batch), 'only a batch in flight is split')
    const at = queue.waiting.findIndex(other => other.order > batch.order)
    queue.waiting.splice(at < 0 ? queue.waiting.length : at, 0, ...batch.halves())
    queue.isRetrying = true
  }

  /** True when nothing of its partition that was made before this batch is still unsettled. */
  isOldest(batch: ProducerBatch): boolean {
    const queue = this.#queueOf(batch)
    for (const other of queue.inFlight) if (other.order < batch.order) return false
    return queue.waiting.every(other => other.order > batch.order)
  }

  /** Removes and returns the waiting batches whose time is over. */
  takeExpired(nowMs: number): readonly ProducerBatch[] {
    const expired: ProducerBatch[] = []
    for (const queue of this.#allQueues()) {
      while (queue.waiting[0] && nowMs - queue.waiting[0].createdMs >= this.#limits.deliveryTimeoutMs) {
        const batch = queue.waiting.shift() as ProducerBatch
        this.#released(batch)
        expired.push(batch)
      }
    }
    return expired
  }

  /** Removes and returns everything that is not on the wire. */
  takeAllWaiting(): { readonly batches: readonly ProducerBatch[]; readonly entries: readonly Entry[] } {
    const batches: ProducerBatch[] = []
    for (const queue of this.#allQueues()) batches.push(...queue.waiting.splice(0))
    for (const batch of batches) this.#released(batch)
    const entries = [...this.#unplaced.keys()].flatMap(topic => this.takeUnplaced(topic, Number.POSITIVE_INFINITY))
    return { batches, entries }
  }

  /** A new epoch has begun: what waits gets new sequences when it goes out. */
  unsequenceWaiting(): void {
    for (const queue of this.#allQueues()) for (const batch of queue.waiting) batch.unsequence()
  }

  /** When something of what waits may become sendable or too old, in the absence of other events; Infinity when nothing waits. */
  nextWakeMs(nowMs: number): number {
    let wakeMs = Number.POSITIVE_INFINITY
    for (const queue of this.#allQueues()) {
      const first = queue.waiting[0]
      if (!first) continue
      wakeMs = Math.min(wakeMs, first.createdMs + this.#limits.deliveryTimeoutMs)
      const readyMs = Math.max(
        queue.retryAtMs,
        this.#isReady(queue, first, nowMs, false) ? nowMs : first.createdMs + this.#limits.lingerMs,
      )
      if (readyMs > nowMs) wakeMs = Math.min(wakeMs, readyMs)
    }
    return wakeMs
  }

  #place(entry: Entry, view: TopicView, nowMs: number): void {
    const { record } = entry
    const queue = this.#queue(record.topic, record.partition ?? this.#choosePartition(entry, view))
    const last = queue.waiting.at(-1)
    const fits = last && !last.isClosed && last.sizeBytes + record.sizeBytes <= this.#limits.batchBytes
    if (last && !fits) last.isClosed = true
    const batch = fits
      ? last
      : new ProducerBatch({ topic: queue.topic, partition: queue.partition, order: queue.nextOrder++, width: 1 }, nowMs)
    if (!fits) queue.waiting.push(batch)
    batch.add(entry)
  }

  #choosePartition({ record }: Entry, view: TopicView): number {
    if (record.key !== null) return partitionOfKey(record.key, view.partitionCount)
    const available: number[] = []
    for (let partition = 0; partition < view.partitionCount; partition++)
      if (view.leaderOf(partition) !== null) available.push(partition)
    return this.#sticky.partitionFor(record.topic, record.sizeBytes, available, view.partitionCount)
  }

  #sendable(queue: Queue, nowMs: number, hurry: boolean): ProducerBatch | null {
    const first = queue.waiting[0]
    if (!first || queue.retryAtMs > nowMs) return null
    if (queue.inFlight.size >= (queue.isRetrying ? 1 : this.#limits.inFlightPerPartition)) return null
    return this.#isReady(queue, first, nowMs, hurry) ? first : null
  }

  #isReady(queue: Queue, first: ProducerBatch, nowMs: number, hurry: boolean): boolean {
    return (
      hurry ||
      this.#flushes > 0 ||
      first.attempts > 0 ||
      first.isClosed ||
      queue.waiting.length > 1 ||
      first.sizeBytes >= this.#limits.batchBytes ||
      nowMs - first.createdMs >= this.#limits.lingerMs
    )
  }

  #released(batch: ProducerBatch): void {
    for (const { record } of batch.entries) this.#bufferedBytes -= record.sizeBytes
    assert(this.#bufferedBytes >= 0, 'no more is released than was buffered')
  }

  #queueOf(batch: ProducerBatch): Queue {
    return this.#queue(batch.topic, batch.partition)
  }

  #queue(topic: string, partition: number): Queue {
    let partitions = this.#queues.get(topic)
    if (!partitions) this.#queues.set(topic, (partitions = new Map()))
    let queue = partitions.get(partition)
    if (!queue) {
      queue = { topic, partition, waiting: [], inFlight: new Set(), nextOrder: 0, retryAtMs: 0, isRetrying: false }
      partitions.set(partition, queue)
    }
    return queue
  }

  *#allQueues(): Generator<Queue> {
    for (const partitions of this.#queues.values()) yield* partitions.values()
  }

  /** Starts one further each time, so that a full request does not starve the last partitions. */
  #rotatedQueues(): readonly Queue[] {
    const queues = [...this.#allQueues()]
    if (queues.length === 0) return queues
    this.#rotation = (this.#rotation + 1) % queues.length
    return [...queues.slice(this.#rotation), ...queues.slice(0, this.#rotation)]
  }
}
