// Owns one bare log directory (the metadata log). Never knows what its records mean.
// Invariant: an append resolves only when written (and synced, if asked); after `close` every call is refused.
import { uuidToBytes } from '#host'
import { mainThreadAddon, type RawLog } from './addon.ts'
import { type Appended, Appends } from './appends.ts'
import { decodeEvents } from './event-stream.ts'
import { callNative, NativeError } from './native-error.ts'
import type { TopicNativeConfig } from './partition-table.ts'
import { offsetNumber } from './offset-number.ts'

export interface LogHandleOptions {
  /** The partition directory itself, for example `<log dir>/__cluster_metadata-0`; made when it is not there. */
  readonly dir: string
  readonly config: TopicNativeConfig
  /** Written to `partition.metadata` when given. */
  readonly topicId?: string
}

export class LogHandle {
  readonly #raw: RawLog
  readonly #appends = new Appends()
  #closed = false

  /** Opens the directory, recovering it after an unclean stop. */
  constructor(options: LogHandleOptions) {
    const Log = mainThreadAddon().NativeLog
    const config =
      options.topicId === undefined ? options.config : { ...options.config, topicId: uuidToBytes(options.topicId) }
    this.#raw = callNative(() => new Log(options.dir, config, () => this.#takeCompletions()))
  }

  get startOffset(): bigint {
    this.#assertOpen()
    return BigInt(this.#raw.startOffset)
  }

  get endOffset(): bigint {
    this.#assertOpen()
    return BigInt(this.#raw.endOffset)
  }

  /** Appends one batch; its base offset and leader epoch are stamped in place. */
  async append(batch: Buffer, leaderEpoch: number, options: { readonly sync: boolean }): Promise<Appended> {
    this.#assertOpen()
    const token = callNative(() => this.#raw.append(batch, leaderEpoch, options.sync))
    return this.#appends.wait(token)
  }

  /** Appends and syncs before it returns the base offset. Blocks: for start-up only. */
  appendSync(batch: Buffer, leaderEpoch: number): bigint {
    this.#assertOpen()
    return BigInt(callNative(() => this.#raw.appendSync(batch, leaderEpoch)))
  }

  /** Drops everything and goes on, empty, at `offset`. Durable when it returns. */
  startAt(offset: bigint): void {
    this.#assertOpen()
    callNative(() => this.#raw.startAt(offsetNumber(offset)))
  }

  /** Whole batches from the one that contains `offset` on; empty at the log end. */
  read(offset: bigint, maxBytes: number): Buffer {
    this.#assertOpen()
    return callNative(() => this.#raw.read(offsetNumber(offset), maxBytes))
  }

  deleteBefore(offset: bigint): void {
    this.#assertOpen()
    callNative(() => this.#raw.deleteBefore(offsetNumber(offset)))
  }

  truncate(offset: bigint): void {
    this.#assertOpen()
    callNative(() => this.#raw.truncate(offsetNumber(offset)))
  }

  close(): void {
    if (this.#closed) return
    this.#takeCompletions()
    this.#closed = true
    this.#appends.abandon(new NativeError('CLOSED', 'the log closed before the append finished'))
    callNative(() => this.#raw.close())
  }

  #assertOpen(): void {
    if (this.#closed) throw new NativeError('CLOSED', 'the log is closed')
  }

  /** Until nothing is left: the core wakes us again only after we have seen that. */
  #takeCompletions(): void {
    while (!this.#closed) {
      const batch = this.#raw.takeCompletions()
      if (batch === null) return
      for (const event of decodeEvents(batch)) {
        if (event.kind === 'appendDone') this.#appends.settle(event)
      }
    }
  }
}
