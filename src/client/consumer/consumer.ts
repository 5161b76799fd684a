// Owns the consumer a user holds: what it reads (assign or subscribe), where it stands (seek, pause, commit), and how records come out
// (one iteration at a time). Invariants: asking for the next record means the one before is done with: positions, commits and
// rebalances move only then; an iteration ends with an error, at its end, or on close, and never just stops.
import type { Timer } from '#host'
import { Cluster, noSuchPartition } from '../network/cluster.ts'
import { ClientClosedError, KafkaError } from '../network/kafka-errors.ts'
import { Wakeup, within } from '../network/waiting.ts'
import { type ConsumerOptions, type ResolvedConsumerOptions, resolveConsumerOptions } from './consumer-options.ts'
import { Fetcher } from './fetcher.ts'
import { type ConsumerRecord, type DecodedBatch, decodeChunk } from './fetched-records.ts'
import { type CommittedOffset, GroupSession, type OffsetToCommit } from './group-session.ts'
import { type Assignment, checkOffsetSpec, type OffsetSpec, type TopicPartition } from './offset-spec.ts'
import { type PartitionState, PartitionStates } from './partition-states.ts'
import { PositionFinder } from './position-finder.ts'
import { RecordStream } from './record-stream.ts'

export interface ReadOptions {
  /** 'end' stops where each partition ended when it was first looked at; otherwise reading goes on for ever. */
  readonly until?: 'end'
  /** Stop after this many records. */
  readonly limit?: number
  readonly signal?: AbortSignal
}

export interface CloseOptions {
  /** Longest the last commit and the good-bye to the group may take, 5 s. */
  readonly timeoutMs?: number
  /** False leaves out the last automatic commit: what was handed out is not known to be done. */
  readonly commit?: boolean
}

export interface PartitionPosition extends TopicPartition {
  /** The next offset to hand out; null while it is being looked up. */
  readonly position: bigint | null
  /** null until a fetch told. */
  readonly highWatermark: bigint | null
  readonly isPaused: boolean
}

/** A batch on its way to the user: the partition it is from and the epoch in which it was decoded. */
export interface HandedBatch extends DecodedBatch {
  readonly state: PartitionState
  readonly epoch: number
}

interface Decoding {
  readonly state: PartitionState
  readonly epoch: number
  readonly batches: Iterator<DecodedBatch>
}

/** Longest close() waits for the last commit. */
const LAST_COMMIT_MS = 5_000

export class Consumer implements AsyncIterable<ConsumerRecord> {
  readonly #options: ResolvedConsumerOptions
  readonly #cluster: Cluster
  readonly #states = new PartitionStates()
  readonly #wakeup = new Wakeup()
  readonly #fetcher: Fetcher
  readonly #finder: PositionFinder
  readonly #group: GroupSession | undefined
  #decoding: Decoding | undefined
  #stream: RecordStream | undefined
  #fatal: KafkaError | undefined
  #attention = true
  #commitDue = false
  #commitTimer: Timer | undefined
  #topicsAwaited = false
  #topics: readonly string[] = []
  #refreshing = false
  #closing: Promise<void> | undefined

  constructor(options: ConsumerOptions) {
    const resolved = resolveConsumerOptions(options)
    this.#options = resolved
    this.#cluster = new Cluster({ ...resolved.client, allowAutoTopicCreation: false, what: 'consumer' })
    const progressed = (): void => this.#wakeup.ring()
    const fatal = (error: KafkaError): void => {
      this.#fatal ??= error
      this.#attend()
    }
    const outOfRange = (state: PartitionState, offset: bigint): void => this.#outOfRange(state, offset)
    this.#fetcher = new Fetcher(resolved, this.#cluster, this.#states, { progressed, fatal, outOfRange })
    const fetchCommitted = (partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> =>
      this.committed(partitions)
    this.#finder = new PositionFinder(resolved, this.#cluster, this.#states, {
      progressed,
      outOfRange,
      fatal,
      fetchCommitted,
    })
    if (resolved.groupId !== null) {
      this.#group = new GroupSession(resolved, resolved.groupId, this.#cluster, {
        attention: () => this.#attend(),
        revoke: () => this.#revoke(),
        lost: () => this.#dropAll(),
        assigned: topics => {
          for (const { topic, partitions } of topics)
            for (const partition of partitions) this.#states.assign({ topic, partition }, 'committed')
        },
      })
    }
  }

  /** Reads exactly these partitions, in place of what was assigned before. No group hands them out. */
  assign(assignments: readonly Assignment[]): void {
    this.#assertOpen()
    if (this.#group?.isSubscribed)
      throw new KafkaError('INVALID_REQUEST', 'assign() and subscribe() exclude each other')
    this.#dropAll()
    const { autoOffsetReset, groupId } = this.#options
    for (const { topic, partition, offset } of assignments) {
      const spec = offset ?? (groupId !== null ? 'committed' : autoOffsetReset === 'none' ? undefined : autoOffsetReset)
      if (spec === undefined)
        throw new KafkaError(
          'INVALID_REQUEST',
          `assign() of ${topic}-${partition} needs an offset: autoOffsetReset is 'none'`,
        )
      checkOffsetSpec(spec)
      if (spec === 'committed' && groupId === null)
        throw new KafkaError('INVALID_REQUEST', "offset 'committed' needs a groupId")
      this.#states.assign({ topic, partition }, spec)
    }
    this.#readTopics(assignments.map(({ topic }) => topic))
  }

  /** Shares these topics with the other members of the group; takes effect when records are next asked for. */
  subscribe(topics: readonly string[]): void {
    this.#assertOpen()
    if (!this.#group)
      throw new KafkaError('INVALID_GROUP_ID', 'subscribe() needs a groupId; assign() reads without a group')
    if (!this.#group.isSubscribed && this.#states.size > 0)
      throw new KafkaError('INVALID_REQUEST', 'assign() and subscribe() exclude each other')
    if (topics.length === 0) throw new KafkaError('INVALID_REQUEST', 'subscribe() needs at least one topic')
    this.#readTopics(topics)
    this.#group.subscribe(this.#topics)
  }

  /** All partitions of a topic, by asking the cluster: for assign(). */
  async partitionsOf(topic: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<readonly number[]> {
    await this.#cluster.awaitTopics([topic], { deadline: this.#cluster.deadline(), signal })
    return (this.#cluster.metadata.topic(topic)?.partitions ?? []).map(({ partition }) => partition)
  }

  /** The one iteration of this consumer over its records; a new one may begin when it has ended. */
  records(options: ReadOptions = {}): AsyncIterableIterator<ConsumerRecord> {
    this.#assertOpen()
    if (this.#stream && !this.#stream.isDone)
      throw new KafkaError('INVALID_REQUEST', 'a consumer is read by one iteration at a time')
    this.#states.wantEnds(options.until === 'end')
    this.#commitTimer?.cancel()
    this.#armCommit()
    this.#attention = true
    this.#stream = new RecordStream(options, {
      maintain: () => this.#maintain(options.signal),
      needsAttention: () => this.#attention,
      nextBatch: () => this.#nextBatch(options.signal),
    })
    return this.#stream
  }

  [Symbol.asyncIterator](): AsyncIterator<ConsumerRecord> {
    return this.records()
  }

  assignment(): readonly PartitionPosition[] {
    return [...this.#states.all()].map(state => ({
      topic: state.topic,
      partition: state.partition,
      position: state.start === null ? state.position : null,
      highWatermark: state.highWatermark < 0n ? null : state.highWatermark,
      isPaused: state.isPaused,
    }))
  }

  /** Goes on reading a partition somewhere else. */
  seek(target: TopicPartition, spec: OffsetSpec): void {
    checkOffsetSpec(spec)
    this.#states.reset(this.#stateOf(target), spec)
    this.#attend()
  }

  pause(targets: readonly TopicPartition[]): void {
    for (const target of targets) this.#states.pause(this.#stateOf(target))
    this.#attend()
  }

  resume(targets: readonly TopicPartition[]): void {
    for (const target of targets) this.#stateOf(target).isPaused = false
    this.#attend()
  }

  /** Commits the positions: everything handed out so far counts as done. Or exactly the offsets given. */
  async commit(offsets: readonly OffsetToCommit[] = this.#positions()): Promise<void> {
    if (!this.#group) throw new KafkaError('INVALID_GROUP_ID', 'commit() needs a groupId')
    await this.#group.commit(offsets, { deadline: this.#cluster.deadline() })
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    if (!this.#group) throw new KafkaError('INVALID_GROUP_ID', 'committed() needs a groupId')
    return this.#group.fetchCommitted(partitions, { deadline: this.#cluster.deadline() })
  }

  /** Commits once more where autoCommit is on, leaves the group and frees every socket and timer, within `timeoutMs`. Idempotent. */
  close({ timeoutMs = LAST_COMMIT_MS, commit = true }: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(timeoutMs, commit && this.#options.autoCommit)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(timeoutMs: number, commits: boolean): Promise<void> {
    const group = this.#group
    const { host } = this.#options.client
    this.#commitTimer?.cancel()
    this.#stream?.interrupt(new ClientClosedError('consumer'))
    this.#attend()
    const goodbye = async (): Promise<void> => {
      if (commits) await this.#tryCommit()
      await group?.leave()
    }
    try {
      await within(host, 'leaving the group', this.#cluster.deadline(timeoutMs), undefined, goodbye())
    } catch {
      // The time is up. The session timeout will end the membership; what was not committed is read again.
    }
    this.#dropAll()
    this.#cluster.close()
    this.#wakeup.ring()
  }

  async #maintain(signal: AbortSignal | undefined): Promise<void> {
    this.#assertOpen()
    this.#attention = false
    await this.#awaitTopics(signal)
    await this.#keepMembership(signal)
    if (this.#fatal) throw this.#fatal
  }

  /** Waits for records; does on the way what needs attention. null at the end of a read to the end. */
  async #nextBatch(signal: AbortSignal | undefined): Promise<HandedBatch | null> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.#attention) await this.#maintain(signal)
      const nowMs = this.#nowMs()
      const stalled = this.#states.stalled(nowMs, this.#options.stallTimeoutMs)
      if (stalled?.lastError) throw stalledError(stalled, this.#options.stallTimeoutMs)
      this.#finder.start(nowMs)
      this.#fetcher.start(nowMs)
      this.#refreshIfOld()
      const batch = this.#decodeNext()
      if (batch) return batch
      if (this.#states.wantsEnds && this.#states.isAtEnd) return null
      await this.#wakeup.wait(this.#options.client.host, this.#waitMs(nowMs), signal)
    }
  }

  async #awaitTopics(signal: AbortSignal | undefined): Promise<void> {
    if (this.#topicsAwaited) return
    await this.#cluster.awaitTopics(this.#topics, { deadline: this.#cluster.deadline(), signal })
    for (const { topic, partition } of this.#states.all()) {
      const count = this.#cluster.metadata.topic(topic)?.partitions.length ?? 0
      if (partition >= count) throw noSuchPartition(topic, partition, count)
    }
    this.#topicsAwaited = true
  }

  async #keepMembership(signal: AbortSignal | undefined): Promise<void> {
    const group = this.#group
    if (!group) return
    group.polled()
    if (group.needsAttention) await group.settle(signal)
    if (!this.#commitDue) return
    this.#commitDue = false
    await this.#tryCommit()
    this.#armCommit()
  }

  #armCommit(): void {
    if (!this.#options.autoCommit || this.#closing) return
    this.#commitTimer = this.#options.client.host.timers.setTimer(this.#options.autoCommitIntervalMs, () => {
      this.#commitDue = true
      this.#attend()
    })
  }

  #decodeNext(): HandedBatch | null {
    const { codec } = this.#options.client
    for (;;) {
      const decoding = this.#decoding
      if (decoding && decoding.epoch === decoding.state.epoch) {
        const next = decoding.batches.next()
        if (!next.done) return { ...next.value, state: decoding.state, epoch: decoding.epoch }
      }
      const taken = this.#states.takeChunk()
      this.#decoding = undefined
      if (!taken) return null
      const { state, chunk } = taken
      this.#decoding = { state, epoch: state.epoch, batches: decodeChunk(state, chunk, codec, this.#options.checkCrcs) }
    }
  }

  #waitMs(nowMs: number): number {
    const retryMs = this.#states.nextRetryMs(nowMs) - nowMs
    return Math.max(0, Math.min(retryMs, this.#options.client.metadataMaxAgeMs))
  }

  #refreshIfOld(): void {
    if (this.#refreshing || !this.#cluster.metadataIsOld) return
    this.#refreshing = true
    this.#cluster
      .refresh()
      .then(
        () => this.#group?.metadataChanged(),
        (error: unknown) => this.#options.client.logger.debug('metadata refresh failed', { error }),
      )
      .finally(() => {
        this.#refreshing = false
      })
  }

  #outOfRange(state: PartitionState, offset: bigint): void {
    const { autoOffsetReset, client } = this.#options
    const where = `${state.topic}-${state.partition} has no offset ${offset}`
    if (autoOffsetReset === 'none') {
      this.#fatal ??= new KafkaError('OFFSET_OUT_OF_RANGE', `${where}, and autoOffsetReset is 'none'`)
      return this.#attend()
    }
    client.logger.warn(`${where}: going to the ${autoOffsetReset}`)
    this.#states.reset(state, autoOffsetReset)
    this.#attend()
  }

  async #revoke(): Promise<void> {
    if (this.#options.autoCommit) await this.#tryCommit()
    this.#dropAll()
  }

  /** A commit that fails costs at most records read twice: the next one, or the next owner, makes up for it. */
  async #tryCommit(): Promise<void> {
    const offsets = this.#positions()
    if (offsets.length === 0) return
    try {
      await this.#group?.commit(offsets, { deadline: this.#cluster.deadline(this.#options.client.requestTimeoutMs) })
    } catch (error) {
      this.#options.client.logger.warn('auto-commit failed', { group: this.#options.groupId, error })
    }
  }

  #positions(): readonly OffsetToCommit[] {
    return [...this.#states.all()]
      .filter(state => state.start === null)
      .map(({ topic, partition, position, leaderEpoch }) => ({ topic, partition, offset: position, leaderEpoch }))
  }

  #readTopics(topics: readonly string[]): void {
    this.#cluster.untrackTopics(this.#topics)
    this.#topics = [...new Set(topics)]
    this.#cluster.trackTopics(this.#topics)
    this.#topicsAwaited = false
    this.#attend()
  }

  #dropAll(): void {
    this.#states.clear()
    this.#decoding = undefined
  }

  #stateOf({ topic, partition }: TopicPartition): PartitionState {
    const state = this.#states.get(topic, partition)
    if (!state) throw new KafkaError('INVALID_REQUEST', `${topic}-${partition} is not assigned to this consumer`)
    return state
  }

  /** The stream takes the slow path before it hands out another record. */
  #attend(): void {
    this.#attention = true
    this.#wakeup.ring()
  }

  #assertOpen(): void {
    if (this.#closing) throw new ClientClosedError('consumer')
  }

  #nowMs(): number {
    return this.#options.client.host.clock.monotonicMs()
  }
}

function stalledError(state: PartitionState, limitMs: number): KafkaError {
  const error = state.lastError as KafkaError
  return new KafkaError(
    error.code,
    `${state.topic}-${state.partition} could not be read for ${limitMs} ms: ${error.message}`,
    { cause: error },
  )
}
