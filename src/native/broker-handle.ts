// Owns one data plane: its lifetime, the event stream coming up and the calls going down.
// Never interprets a request: it hands frames to the listener and payloads to the core.
// Invariant: a request token is answered at most once; after `close` nothing reaches the core.
import { assert, uuidToBytes } from '#host'
import {
  type ApiVersionRange,
  type BoundListener,
  type BrokerOptions,
  mainThreadAddon,
  type OfflinePartition,
  type OpenedLogDirs,
  type RawBroker,
} from './addon.ts'
import { type Appended, Appends } from './appends.ts'
import { decodeEvents, type LogDirFailedEvent, type RequestEvent } from './event-stream.ts'
import { callNative, NativeError } from './native-error.ts'
import type { PartitionTableDelta, PublishResult } from './partition-table.ts'
import { offsetNumber } from './offset-number.ts'

/** Most bytes of events taken in one crossing; a single larger event still comes whole. */
const EVENTS_BYTES_MAX = 1 << 20
/** Batches taken in a row before other JavaScript gets its turn. */
const EVENT_BATCHES_PER_TURN = 8

export interface BrokerEvents {
  onRequest(request: RequestEvent): void
  onConnectionClosed(connectionId: number): void
  onLogDirFailed(failure: LogDirFailedEvent): void
}

export interface Offsets {
  readonly logStartOffset: bigint
  readonly highWatermark: bigint
  readonly logEndOffset: bigint
  readonly lastStableOffset: bigint
}

export class BrokerHandle {
  readonly #raw: RawBroker
  readonly #events: BrokerEvents
  readonly #appends = new Appends()
  #draining = false
  #closed = false

  constructor(options: BrokerOptions, events: BrokerEvents) {
    this.#events = events
    const Broker = mainThreadAddon().NativeBroker
    this.#raw = callNative(() => new Broker(options, () => this.#takeEvents()))
  }

  /** Locks the log directories and reads or writes their `meta.properties`. Throws `LOCKED`, `UNWRITABLE`, ... */
  open(): OpenedLogDirs {
    return callNative(() => this.#raw.open())
  }

  /** Binds the sockets without accepting yet; port 0 becomes the port the system gave. Throws `EADDRINUSE`. */
  bind(listeners: readonly BoundListener[]): readonly BoundListener[] {
    return callNative(() => this.#raw.bind(listeners))
  }

  /** The core closes connections that send another key or version (ApiVersions always comes up). */
  setApiVersions(ranges: readonly ApiVersionRange[]): void {
    callNative(() => this.#raw.setApiVersions(ranges))
  }

  listen(): void {
    callNative(() => this.#raw.listen())
  }

  /** What jobs of the pool partition-io name this broker by. */
  get handle(): number {
    return this.#raw.handle
  }

  /**
   * Makes the data plane obey the delta before it returns: logs exist, leaders take writes. Only when logs have to be recovered first is the
   * delta held: they are named in the answer, and `publishHeld` goes on when they are.
   */
  publish(delta: PartitionTableDelta): PublishResult {
    return callNative(() => this.#raw.publish(delta))
  }

  publishHeld(): PublishResult {
    return callNative(() => this.#raw.publishHeld())
  }

  /** Whether a job `compact` may find a log to clean. Cheap. */
  mayCompact(): boolean {
    return !this.#closed && callNative(() => this.#raw.mayCompact())
  }

  /** Moves aside what lies in the log directories and was never published, once all that the cluster knows was. The names of those partitions. */
  setStraysAside(): readonly string[] {
    return callNative(() => this.#raw.setStraysAside())
  }

  /** Makes jobs under way end soon with `CLOSED` or an error, and lets no other begin. */
  stopJobs(): void {
    if (!this.#closed) callNative(() => this.#raw.stopJobs())
  }

  /** `payload` is response header and body, without the size. */
  respond(token: bigint, payload: Buffer, throttleMs: number): void {
    if (this.#closed) return
    callNative(() => this.#raw.respond(tokenHigh(token), tokenLow(token), payload, throttleMs))
  }

  respondNone(token: bigint): void {
    if (this.#closed) return
    callNative(() => this.#raw.respondNone(tokenHigh(token), tokenLow(token)))
  }

  closeConnection(token: bigint): void {
    if (this.#closed) return
    callNative(() => this.#raw.closeConnection(tokenHigh(token), tokenLow(token)))
  }

  /** Appends one batch as the leader. Resolves when it is written, and synced if `sync`. Rejects with a KafkaError. */
  async append(topicId: string, partition: number, batch: Buffer, sync: boolean): Promise<Appended> {
    this.#assertOpen()
    const token = callNative(() => this.#raw.append(uuidToBytes(topicId), partition, batch, sync))
    return this.#appends.wait(token)
  }

  /** Whole batches from the one that contains `offset` on; empty at the log end. */
  readLog(topicId: string, partition: number, offset: bigint, maxBytes: number): Buffer {
    this.#assertOpen()
    return callNative(() => this.#raw.readLog(uuidToBytes(topicId), partition, offsetNumber(offset), maxBytes))
  }

  partitionOffsets(topicId: string, partition: number): Offsets {
    this.#assertOpen()
    const offsets = callNative(() => this.#raw.partitionOffsets(uuidToBytes(topicId), partition))
    return {
      logStartOffset: BigInt(offsets.logStartOffset),
      highWatermark: BigInt(offsets.highWatermark),
      logEndOffset: BigInt(offsets.logEndOffset),
      lastStableOffset: BigInt(offsets.lastStableOffset),
    }
  }

  /** Those that are served no more because the disk under them failed. */
  offlinePartitions(): readonly OfflinePartition[] {
    return this.#closed ? [] : callNative(() => this.#raw.offlinePartitions())
  }

  /** Moves the log start offset; -1 means the high watermark. */
  deleteRecords(topicId: string, partition: number, offset: bigint): { lowWatermark: bigint; errorCode: number } {
    this.#assertOpen()
    const result = callNative(() => this.#raw.deleteRecords(uuidToBytes(topicId), partition, offsetNumber(offset)))
    return { lowWatermark: BigInt(result.lowWatermark), errorCode: result.errorCode }
  }

  /** The end offset of the largest epoch not above `epoch`; -1/-1 when there is none. */
  offsetForLeaderEpoch(topicId: string, partition: number, epoch: number): { epoch: number; endOffset: bigint } {
    this.#assertOpen()
    const result = callNative(() => this.#raw.offsetForLeaderEpoch(uuidToBytes(topicId), partition, epoch))
    return { epoch: result.epoch, endOffset: BigInt(result.endOffset) }
  }

  metrics(): Readonly<Record<string, number>> {
    return this.#closed ? {} : callNative(() => this.#raw.metrics())
  }

  /** The registration this node acts under: a clean stop leaves it in the directories. */
  setBrokerEpoch(brokerEpoch: bigint): void {
    if (!this.#closed) callNative(() => this.#raw.setBrokerEpoch(offsetNumber(brokerEpoch)))
  }

  /** Stops accepting, lets requests in flight finish for at most `timeoutMs`, flushes. */
  drain(timeoutMs: number): void {
    if (!this.#closed) callNative(() => this.#raw.drain(timeoutMs))
  }

  /** Syncs, writes checkpoints and the clean marker, joins the native threads. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#appends.abandon(new NativeError('CLOSED', 'the broker closed before the append finished'))
    callNative(() => this.#raw.close())
  }

  #assertOpen(): void {
    if (this.#closed) throw new NativeError('CLOSED', 'the broker is closed')
  }

  /** Called once a wake: takes what waits, in few crossings, and yields when there is very much. */
  #takeEvents(): void {
    if (this.#draining) return
    this.#draining = true
    try {
      for (let turn = 0; turn < EVENT_BATCHES_PER_TURN; turn += 1) {
        if (this.#closed) return
        const batch = this.#raw.takeEvents(EVENTS_BYTES_MAX)
        if (batch === null) return
        for (const event of decodeEvents(batch)) {
          switch (event.kind) {
            case 'request':
              this.#events.onRequest(event)
              break
            case 'appendDone':
              this.#appends.settle(event)
              break
            case 'connectionClosed':
              this.#events.onConnectionClosed(event.connectionId)
              break
            case 'logDirFailed':
              this.#events.onLogDirFailed(event)
              break
            default:
              event satisfies never
          }
        }
      }
      setImmediate(() => this.#takeEvents())
    } finally {
      this.#draining = false
    }
  }
}

const LOW_BITS = 32n
const LOW_MASK = 0xffff_ffffn

function tokenHigh(token: bigint): number {
  assert(token >= 0n, 'a token is unsigned')
  return Number(token >> LOW_BITS)
}

function tokenLow(token: bigint): number {
  return Number(token & LOW_MASK)
}
