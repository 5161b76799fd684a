// Owns what is known of each assigned partition: where reading stands, what is buffered, what is being fetched, when to try again.
// Pure: answers and the time come in. Invariants: records of a partition are handed out in offset order, none twice and none skipped;
// an answer to a question asked before a seek or a reassignment changes nothing; bufferedBytes is the sum over partitions.
import { assert } from '#host'
import type { KafkaError } from '../network/kafka-errors.ts'
import type { OffsetSpec, TopicPartition } from './offset-spec.ts'

/** The record bytes of one fetch answer for one partition. */
export interface FetchedChunk {
  readonly bytes: Buffer
  readonly abortedTransactions: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[]
}

export interface PartitionState extends TopicPartition {
  /** Goes up whenever what was handed out or fetched ahead stops counting: a seek, a pause, a removal. */
  epoch: number
  /** How to find the position; null once it is known. */
  start: OffsetSpec | null
  /** The next offset to hand out. */
  position: bigint
  /** The next offset to ask a broker for: behind what is buffered. */
  fetchOffset: bigint
  readonly chunks: FetchedChunk[]
  bufferedBytes: number
  isFetching: boolean
  isPaused: boolean
  isResolving: boolean
  retryAtMs: number
  failures: number
  failingSinceMs: number | null
  lastError: KafkaError | null
  /** -1n until a fetch told. */
  highWatermark: bigint
  /** Where a read to the end stops; null when it does not, or is not known yet. */
  endOffset: bigint | null
  /** Epoch of the last record handed out, committed with it; -1 when unknown. */
  leaderEpoch: number
}

export class PartitionStates {
  readonly #byTopic = new Map<string, Map<number, PartitionState>>()
  #bufferedBytes = 0
  #turn = 0
  #wantsEnd = false

  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  get size(): number {
    let size = 0
    for (const partitions of this.#byTopic.values()) size += partitions.size
    return size
  }

  *all(): Generator<PartitionState> {
    for (const partitions of this.#byTopic.values()) yield* partitions.values()
  }

  get(topic: string, partition: number): PartitionState | undefined {
    return this.#byTopic.get(topic)?.get(partition)
  }

  /** True while `state` is the one in force: a removed or replaced partition's answers are stale. */
  owns(state: PartitionState): boolean {
    return this.get(state.topic, state.partition) === state
  }

  assign(target: TopicPartition, start: OffsetSpec): PartitionState {
    this.remove(target)
    const state: PartitionState = {
      topic: target.topic,
      partition: target.partition,
      epoch: 0,
      start,
      position: -1n,
      fetchOffset: -1n,
      chunks: [],
      bufferedBytes: 0,
      isFetching: false,
      isPaused: false,
      isResolving: false,
      retryAtMs: 0,
      failures: 0,
      failingSinceMs: null,
      lastError: null,
      highWatermark: -1n,
      endOffset: null,
      leaderEpoch: -1,
    }
    let partitions = this.#byTopic.get(target.topic)
    if (!partitions) this.#byTopic.set(target.topic, (partitions = new Map()))
    partitions.set(target.partition, state)
    return state
  }

  remove({ topic, partition }: TopicPartition): void {
    const state = this.get(topic, partition)
    if (!state) return
    this.dropBuffered(state)
    state.epoch += 1
    const partitions = this.#byTopic.get(topic)
    partitions?.delete(partition)
    if (partitions?.size === 0) this.#byTopic.delete(topic)
  }

  clear(): void {
    for (const state of this.all()) {
      this.dropBuffered(state)
      state.epoch += 1
    }
    this.#byTopic.clear()
  }

  /** The position is known: fetching may begin. */
  resolved(state: PartitionState, position: bigint, leaderEpoch = -1): void {
    if (!this.owns(state)) return
    assert(position >= 0n, 'a position is an offset')
    this.dropBuffered(state)
    state.epoch += 1
    state.start = null
    state.isResolving = false
    state.position = position
    state.fetchOffset = position
    state.leaderEpoch = leaderEpoch
    this.#recovered(state)
  }

  /** The position has to be found (again): what is buffered is of no use. */
  reset(state: PartitionState, start: OffsetSpec): void {
    if (!this.owns(state)) return
    this.dropBuffered(state)
    state.epoch += 1
    state.start = start
    state.isResolving = false
  }

  /** Nothing more of it is handed out until it is resumed; what was fetched ahead is fetched again then. */
  pause(state: PartitionState): void {
    state.isPaused = true
    state.epoch += 1
    this.dropBuffered(state)
  }

  /** With it on, every partition is given an end: where its log ends when it is looked up. */
  wantEnds(on: boolean): void {
    this.#wantsEnd = on
    for (const state of this.all()) state.endOffset = null
  }

  get wantsEnds(): boolean {
    return this.#wantsEnd
  }

  /** Those whose position, or end, has to be looked up now. */
  toResolve(nowMs: number): readonly PartitionState[] {
    const isOpen = (state: PartitionState): boolean =>
      state.start !== null || (this.#wantsEnd && state.endOffset === null)
    return [...this.all()].filter(state => isOpen(state) && !state.isResolving && state.retryAtMs <= nowMs)
  }

  endFound(state: PartitionState, endOffset: bigint): void {
    if (!this.owns(state)) return
    state.endOffset = endOffset
    state.isResolving = false
    this.#recovered(state)
  }

  /** Those that should be asked for more now. One answer may be buffered while the next is on its way, no more. */
  toFetch(nowMs: number, chunksMax: number): readonly PartitionState[] {
    const states = [...this.all()].filter(
      state =>
        state.start === null &&
        !state.isFetching &&
        !state.isPaused &&
        !(this.#wantsEnd && state.endOffset === null) &&
        state.retryAtMs <= nowMs &&
        state.chunks.length < chunksMax &&
        !(state.endOffset !== null && state.fetchOffset >= state.endOffset),
    )
    // One further each time: the first of a request is served first when the byte limit bites.
    if (states.length > 0) this.#turn = (this.#turn + 1) % states.length
    return [...states.slice(this.#turn), ...states.slice(0, this.#turn)]
  }

  fetched(state: PartitionState, chunk: FetchedChunk, nextFetchOffset: bigint): void {
    if (!this.owns(state)) return
    assert(nextFetchOffset > state.fetchOffset, 'a fetch moves on')
    state.fetchOffset = nextFetchOffset
    state.chunks.push(chunk)
    state.bufferedBytes += chunk.bytes.length
    this.#bufferedBytes += chunk.bytes.length
    this.#recovered(state)
  }

  answeredEmpty(state: PartitionState): void {
    if (this.owns(state)) this.#recovered(state)
  }

  failed(state: PartitionState, error: KafkaError, retryAtMs: number, nowMs: number): void {
    if (!this.owns(state)) return
    state.isResolving = false
    state.failures += 1
    state.failingSinceMs ??= nowMs
    state.lastError = error
    state.retryAtMs = retryAtMs
  }

  /** The partition whose turn it is among those with records, and its oldest chunk. */
  takeChunk(): { readonly state: PartitionState; readonly chunk: FetchedChunk } | null {
    const ready = [...this.all()].filter(state => state.chunks.length > 0 && !state.isPaused)
    if (ready.length === 0) return null
    this.#turn = (this.#turn + 1) % ready.length
    const state = ready[this.#turn] as PartitionState
    const chunk = state.chunks.shift() as FetchedChunk
    this.#release(state, chunk)
    return { state, chunk }
  }

  /** Drops what was fetched ahead; reading goes on at the position. */
  dropBuffered(state: PartitionState): void {
    for (const chunk of state.chunks.splice(0)) this.#release(state, chunk)
    state.fetchOffset = state.position
  }

  /** The partition that has failed longest, if that is longer than `limitMs`. */
  stalled(nowMs: number, limitMs: number): PartitionState | null {
    for (const state of this.all())
      if (state.failingSinceMs !== null && nowMs - state.failingSinceMs > limitMs) return state
    return null
  }

  /** True when every partition has been read to where it should end. */
  get isAtEnd(): boolean {
    for (const state of this.all())
      if (state.start !== null || state.endOffset === null || state.position < state.endOffset) return false
    return true
  }

  /** When the next retry is due; Infinity when none is. */
  nextRetryMs(nowMs: number): number {
    let atMs = Number.POSITIVE_INFINITY
    for (const state of this.all()) if (state.retryAtMs > nowMs) atMs = Math.min(atMs, state.retryAtMs)
    return atMs
  }

  #recovered(state: PartitionState): void {
    state.failures = 0
    state.failingSinceMs = null
    state.lastError = null
    state.retryAtMs = 0
  }

  #release(state: PartitionState, chunk: FetchedChunk): void {
    state.bufferedBytes -= chunk.bytes.length
    this.#bufferedBytes -= chunk.bytes.length
    assert(this.#bufferedBytes >= 0, 'no more is released than was buffered')
  }
}
