// Owns one partition of a coordinator topic while this node leads it: loads its shard, hands events to it one at a time,
// appends what it decides and carries the rest out. Never decides anything about groups or transactions.
// Invariants: append, then apply, then answer; one append at a time, in the order decided; a failed append applied nothing.
//
//   idle ──elect──▶ loading ──log replayed──▶ active ──resign──▶ idle
//                      │ log unreadable          │ append in doubt, or a shard that threw
//                      ▼                         ▼
//                    failed ◀───────────────── loading (the log is the truth: a new shard is made from it)
import type { Host, Logger } from '#host'
import { type BatchCodec, type CompressionName, type ErrorName, encodeBatch } from '#protocol'
import { appendFailure } from './append-failure.ts'
import { Deadlines } from './deadlines.ts'
import { Lanes } from './lanes.ts'
import { type ReplayProgress, replayLog } from './log-replay.ts'
import type { PartitionLogs } from './partition-logs.ts'
import type { Admission, CoordinatorKind, CoordinatorShard, Decision, EncodedRecord, RequestId } from './shard.ts'

export interface RuntimeSettings {
  /** A batch never grows past this (the topic's max.message.bytes). */
  readonly batchBytesMax: number
  /** Bytes read from the log at a time while loading. */
  readonly loadChunkBytes: number
  readonly compression: CompressionName
}

export interface PartitionRuntimeOptions<Event, Response, Rec> {
  readonly partition: number
  readonly kind: CoordinatorKind<Event, Response, Rec>
  readonly host: Host
  readonly logs: PartitionLogs
  readonly batchCodec: BatchCodec
  readonly settings: RuntimeSettings
  /** Runs the flush at the end of the present turn of the event loop, so that one batch carries all it brought. */
  readonly atEndOfTurn: (flush: () => void) => void
}

/** Requests not answered yet, parked ones included. Past it, further ones are told to try again later. */
const REQUESTS_MAX = 200_000
/** A log up to this size is loaded before elect() returns, so that nobody ever meets a loading coordinator. */
const LOAD_AT_ONCE_BYTES = 4 * 1024 * 1024
/** Batch header (61 bytes) and some slack; and per record: length, deltas, key and value lengths, header count. */
const BATCH_OVERHEAD_BYTES = 128
const RECORD_OVERHEAD_BYTES = 24

interface Task<Event> {
  readonly event: Event
  readonly request: RequestId | null
  readonly admission: Admission
}

interface Waiter<Event, Response> {
  readonly event: Event
  readonly resolve: (response: Response) => void
}

interface Staged<Event, Response, Rec> {
  readonly decision: Decision<Event, Response, Rec>
  readonly admission: Admission
  readonly encoded: readonly EncodedRecord[]
  readonly bytes: number
}

type State = 'idle' | 'loading' | 'active' | 'failed'

export class PartitionRuntime<Event, Response, Rec> {
  readonly #options: PartitionRuntimeOptions<Event, Response, Rec>
  readonly #logger: Logger
  readonly #deadlines: Deadlines<Event>
  #state: State = 'idle'
  #leaderEpoch = -1
  /** Moves on whenever the shard is dropped, so that what was under way for it is recognised as stale. */
  #incarnation = 0
  #shard: CoordinatorShard<Event, Response, Rec> | undefined
  #lanes = new Lanes<Task<Event>>()
  readonly #waiters = new Map<RequestId, Waiter<Event, Response>>()
  #nextRequest: RequestId = 1
  #staged: Staged<Event, Response, Rec>[] = []
  #flushIsDue = false
  /** The one append on its way to the log; it outlives a dropped shard. */
  #append: Promise<void> | null = null

  constructor(options: PartitionRuntimeOptions<Event, Response, Rec>) {
    this.#options = options
    this.#logger = options.host.logger.child(`${options.kind.name}-${options.partition}`)
    this.#deadlines = new Deadlines(options.host, event => this.#post(event))
  }

  get state(): State {
    return this.#state
  }

  /** This node leads the partition. Small logs are loaded on return, large ones when the promise resolves. */
  elect(leaderEpoch: number): Promise<void> {
    if (leaderEpoch < this.#leaderEpoch) return Promise.resolve()
    this.#leaderEpoch = leaderEpoch
    if (this.#state === 'active' || this.#state === 'loading') return Promise.resolve()
    return this.#load()
  }

  /** This node no longer leads the partition: everyone who waits is sent to look for the new coordinator. */
  resign(): void {
    this.#drop('idle')
  }

  /** Resolves with the answer; never rejects. */
  submit(event: Event): Promise<Response> {
    const refusal = this.#refusal()
    if (refusal !== null) return Promise.resolve(this.#options.kind.refuse(event, refusal))
    const request = this.#nextRequest++
    return new Promise(resolve => {
      this.#waiters.set(request, { event, resolve })
      this.#admit(event, request)
    })
  }

  /** Looks at committed state. Returns why not when there is none to look at. */
  read<T>(look: (shard: CoordinatorShard<Event, Response, Rec>) => T): T | ErrorName {
    const refusal = this.#refusal()
    if (refusal !== null) return refusal
    return look(this.#activeShard())
  }

  /** Handles an event nobody waits for. Ignored while this node is not the coordinator. */
  post(event: Event): void {
    this.#post(event)
  }

  #refusal(): ErrorName | null {
    if (this.#state === 'loading') return 'COORDINATOR_LOAD_IN_PROGRESS'
    if (this.#state !== 'active') return 'NOT_COORDINATOR'
    return this.#waiters.size >= REQUESTS_MAX ? 'COORDINATOR_NOT_AVAILABLE' : null
  }

  #activeShard(): CoordinatorShard<Event, Response, Rec> {
    if (this.#shard === undefined) throw new Error(`partition ${this.#options.partition} has no shard`)
    return this.#shard
  }

  #post(event: Event): void {
    if (this.#state === 'active') this.#admit(event, null)
  }

  // ---- deciding

  #admit(event: Event, request: RequestId | null): void {
    const task = { event, request, admission: this.#activeShard().admit(event) }
    if (this.#lanes.enter(task)) this.#run(task)
  }

  #run(task: Task<Event>): void {
    const incarnation = this.#incarnation
    try {
      const decision = this.#activeShard().handle(task.event, task.request, this.#options.host.clock.nowMs())
      this.#carryOut(decision, task.admission)
    } catch (error) {
      if (incarnation === this.#incarnation) this.#distrust(error)
    }
  }

  #carryOut(decision: Decision<Event, Response, Rec>, admission: Admission): void {
    if (decision.records.length > 0) this.#stage(decision, admission)
    for (const command of decision.commands) {
      switch (command.kind) {
        case 'respond':
          this.#respond(command.to, command.response)
          break
        case 'setTimer':
          this.#deadlines.set(command.key, command.delayMs, command.event)
          break
        case 'cancelTimer':
          this.#deadlines.cancel(command.key)
          break
        case 'submit':
          this.#admit(command.event, null)
          break
        case 'report':
          this.#logger.info(command.message, command.fields)
          break
        default:
          command satisfies never
      }
    }
  }

  #respond(request: RequestId, response: Response): void {
    const waiter = this.#waiters.get(request)
    this.#waiters.delete(request)
    waiter?.resolve(response)
  }

  // ---- appending

  #stage(decision: Decision<Event, Response, Rec>, admission: Admission): void {
    this.#lanes.hold(admission)
    const encoded = decision.records.map(record => this.#options.kind.serde.encode(record))
    let bytes = 0
    for (const { key, value } of encoded) bytes += RECORD_OVERHEAD_BYTES + key.length + (value?.length ?? 0)
    this.#staged.push({ decision, admission, encoded, bytes })
    if (this.#flushIsDue || this.#append !== null) return
    this.#flushIsDue = true
    const incarnation = this.#incarnation
    this.#options.atEndOfTurn(() => {
      if (incarnation !== this.#incarnation) return
      this.#flushIsDue = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#append !== null || this.#staged.length === 0) return
    const group = this.#takeBatchful()
    if (group.bytes + BATCH_OVERHEAD_BYTES > this.#options.settings.batchBytesMax) {
      this.#logger.warn('records of one decision do not fit a batch', { bytes: group.bytes })
      this.#settle(group.entries, 'UNKNOWN_SERVER_ERROR', -1n)
      return
    }
    this.#append = this.#write(group.entries)
  }

  /** As many decisions as fit one batch; at least one. */
  #takeBatchful(): { entries: Staged<Event, Response, Rec>[]; bytes: number } {
    const limit = this.#options.settings.batchBytesMax - BATCH_OVERHEAD_BYTES
    let bytes = 0
    let count = 0
    for (const entry of this.#staged) {
      if (count > 0 && bytes + entry.bytes > limit) break
      bytes += entry.bytes
      count++
    }
    return { entries: this.#staged.splice(0, count), bytes }
  }

  async #write(entries: readonly Staged<Event, Response, Rec>[]): Promise<void> {
    const { partition, logs, batchCodec, host, settings } = this.#options
    const incarnation = this.#incarnation
    const timestamp = BigInt(host.clock.nowMs())
    const records = entries.flatMap(entry => entry.encoded.map(({ key, value }) => ({ key, value, timestamp })))
    let endOffset = -1n
    let baseOffset = -1n
    let failure: ErrorName | null = null
    try {
      endOffset = logs.endOffset(partition)
      baseOffset = (
        await logs.append(partition, encodeBatch({ records, compression: settings.compression }, batchCodec))
      ).baseOffset
    } catch (error) {
      failure = appendFailure(error)
      this.#logger.warn('append failed', { error, seenAs: failure })
    }
    this.#append = null
    if (incarnation !== this.#incarnation) return
    if (failure !== null && this.#logMoved(endOffset)) {
      // The bytes may be there although the append failed (written, not synced): only the log knows.
      this.#logger.warn('append in doubt: loading the partition again')
      this.#reload()
      return
    }
    this.#settle(entries, failure, baseOffset)
  }

  #logMoved(endOffset: bigint): boolean {
    try {
      return endOffset >= 0n && this.#options.logs.endOffset(this.#options.partition) !== endOffset
    } catch {
      return false // the partition is gone: resign() is on its way
    }
  }

  #settle(entries: readonly Staged<Event, Response, Rec>[], failure: ErrorName | null, baseOffset: bigint): void {
    const incarnation = this.#incarnation
    try {
      let offset = baseOffset
      for (const entry of entries) {
        if (failure === null) offset = this.#apply(entry, offset)
        this.#lanes.release(entry.admission)
        const next = entry.decision.settled?.(failure, this.#options.host.clock.nowMs())
        if (next !== undefined) this.#carryOut(next, entry.admission)
      }
      for (const entry of entries) this.#runNext(entry.admission.lane)
    } catch (error) {
      if (incarnation === this.#incarnation) this.#distrust(error)
    }
    if (incarnation === this.#incarnation) this.#flush()
  }

  #apply(entry: Staged<Event, Response, Rec>, baseOffset: bigint): bigint {
    let offset = baseOffset
    if (entry.decision.replay) {
      for (const record of entry.decision.records) {
        this.#activeShard().replay(record, { offset: offset++, transactionalProducerId: -1n })
      }
      return offset
    }
    return offset + BigInt(entry.decision.records.length)
  }

  #runNext(lane: string): void {
    for (let task = this.#lanes.next(lane); task !== undefined; task = this.#lanes.next(lane)) this.#run(task)
  }

  // ---- loading and dropping

  async #load(): Promise<void> {
    this.#state = 'loading'
    const incarnation = ++this.#incarnation
    const { kind, partition, logs, batchCodec, settings, host } = this.#options
    const startedMs = host.clock.monotonicMs()
    // What an earlier shard sent may still reach the log: read only after it has, or has failed to.
    if (this.#append !== null) {
      await this.#append
      if (incarnation !== this.#incarnation) return
    }
    const shard = kind.createShard()
    try {
      const steps = replayLog({
        partition,
        logs,
        batchCodec,
        serde: kind.serde,
        shard,
        chunkBytes: settings.loadChunkBytes,
      })
      let step = steps.next()
      while (!step.done) {
        if (step.value.bytes > LOAD_AT_ONCE_BYTES) {
          await new Promise<void>(resolve => setImmediate(resolve))
          if (incarnation !== this.#incarnation) return
        }
        step = steps.next()
      }
      this.#activate(shard)
      this.#reportLoaded(step.value, host.clock.monotonicMs() - startedMs)
    } catch (error) {
      if (incarnation !== this.#incarnation) return
      this.#drop('failed')
      this.#logger.error('could not load the coordinator partition', { error })
    }
  }

  #activate(shard: CoordinatorShard<Event, Response, Rec>): void {
    this.#shard = shard
    this.#state = 'active'
    this.#carryOut(shard.loaded(this.#options.host.clock.nowMs()), { lane: '', mode: 'exclusive' })
  }

  #reportLoaded(progress: ReplayProgress, tookMs: number): void {
    const { records, bytes, unknownRecords } = progress
    if (unknownRecords > 0) this.#logger.warn('skipped records of unknown types', { unknownRecords })
    if (records > 0) this.#logger.info('loaded', { records, bytes, tookMs: Math.round(tookMs) })
  }

  /** The shard threw: its state cannot be trusted any more. Ours to fix, but the log still holds the truth. */
  #distrust(error: unknown): void {
    this.#logger.error('coordinator shard failed: loading it again from its log', { error })
    this.#reload()
  }

  #reload(): void {
    this.#drop('idle')
    void this.#load()
  }

  #drop(next: State): void {
    this.#state = next
    this.#incarnation++
    this.#shard = undefined
    this.#lanes = new Lanes()
    this.#staged = []
    this.#flushIsDue = false
    this.#deadlines.cancelAll()
    const waiters = [...this.#waiters.values()]
    this.#waiters.clear()
    for (const { event, resolve } of waiters) resolve(this.#options.kind.refuse(event, 'NOT_COORDINATOR'))
  }
}
