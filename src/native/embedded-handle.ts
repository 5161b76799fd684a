// Owns one handle on an embedded log: the page of numbers it shows, the arena its writer fills, and the calls going down.
// Never looks into a record. Invariant: after `close` nothing reaches the core; the page stays readable.
import { type Addon, addon, type EmbeddedOptions, type RawEmbeddedLog, type RawStretch } from './addon.ts'
import { asNativeError, callNative, NativeError } from './native-error.ts'

/** Indexes into the page; native/crates/embedded/src/progress.rs draws it. */
const START = 0
const WRITTEN = 1
const SYNCED = 2
const GENERATION = 3
const FAILURES = 4
const CLOSED = 5
const PAGE_BYTES = 72
const WAKE_WANTED = 16

export interface EmbeddedHandleOptions {
  readonly dir: string
  /** Null: a reader, beside the writer in this process or of the files as they are. */
  readonly writer: EmbeddedOptions | null
  /** Called on this thread some time after `wantWake`, once the numbers have moved. */
  readonly onWake: () => void
  /** False: behave as in a host that lends no memory of native code to JavaScript (Electron). */
  readonly lend?: boolean
}

export class EmbeddedHandle {
  readonly #raw: RawEmbeddedLog
  readonly #page: Float64Array
  readonly #flags: Int32Array
  /** Null while the page is the core's own memory. */
  readonly #copied: Uint8Array | null
  readonly #mayLend: boolean
  #closed = false

  constructor(options: EmbeddedHandleOptions) {
    const Log: Addon['NativeEmbeddedLog'] = addon().NativeEmbeddedLog
    this.#raw = callNative(() => new Log(options.dir, options.writer, options.onWake))
    const lent = options.lend === false ? null : this.#raw.page()
    const page = lent ?? new ArrayBuffer(PAGE_BYTES)
    this.#page = new Float64Array(page, 0, 8)
    this.#flags = new Int32Array(page)
    this.#copied = lent === null ? new Uint8Array(page) : null
    this.#mayLend = lent !== null
  }

  get mayLend(): boolean {
    return this.#mayLend
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Whether the files are looked at only by `observe`: nobody in this process writes them. */
  get isObserver(): boolean {
    return this.#raw.isObserver
  }

  /** Looks at the files again. */
  observe(): void {
    if (!this.#closed) callNative(() => this.#raw.observe())
    this.refresh()
  }

  /** Brings a copied page up to date; to be called before its numbers are read. A lent one always is. */
  refresh(): void {
    if (this.#copied !== null) this.#raw.copyPage(this.#copied)
  }

  get startOffset(): number {
    return this.#page[START] as number
  }

  get writtenOffset(): number {
    return this.#page[WRITTEN] as number
  }

  get syncedOffset(): number {
    return this.#page[SYNCED] as number
  }

  get generation(): number {
    return this.#page[GENERATION] as number
  }

  get failures(): number {
    return this.#page[FAILURES] as number
  }

  get writerIsClosed(): boolean {
    return this.#page[CLOSED] === 1
  }

  /** Asks for one `onWake` after the next change. The numbers must be looked at again after this. */
  wantWake(): void {
    if (this.#copied === null) Atomics.store(this.#flags, WAKE_WANTED, 1)
    else this.#raw.wantWake()
    this.refresh()
  }

  /** The slots, one behind the other, or null where the host lends no memory. */
  arena(): ArrayBuffer | null {
    return this.#mayLend ? this.#raw.arena() : null
  }

  /** Hands over a filled slot, whose header room is `bytes`'s first 61; answers the next slot, waiting until it is free. */
  handOver(
    slot: number,
    bytes: number,
    recordCount: number,
    baseTimestamp: number,
    maxTimestamp: number,
    baseOffset: number,
    wantsSync: boolean,
    failures: number,
  ): number {
    this.#assertOpen()
    try {
      return this.#raw.handOver(slot, bytes, recordCount, baseTimestamp, maxTimestamp, baseOffset, wantsSync, failures)
    } catch (cause) {
      throw asNativeError(cause)
    }
  }

  handOverOwned(
    batch: Uint8Array,
    recordCount: number,
    baseTimestamp: number,
    maxTimestamp: number,
    baseOffset: number,
    wantsSync: boolean,
    failures: number,
  ): void {
    this.#assertOpen()
    callNative(() =>
      this.#raw.handOverOwned(batch, recordCount, baseTimestamp, maxTimestamp, baseOffset, wantsSync, failures),
    )
  }

  handOverPacked(
    packed: Uint8Array,
    timestamp: number,
    slot: number,
    baseOffset: number,
    wantsSync: boolean,
    failures: number,
  ): readonly [count: number, nextSlot: number] {
    this.#assertOpen()
    return callNative(() => this.#raw.handOverPacked(packed, timestamp, slot, baseOffset, wantsSync, failures))
  }

  flush(): void {
    this.#assertOpen()
    callNative(() => this.#raw.flush())
  }

  /** Asks for a sync of everything handed over so far; does not wait. */
  requestSync(): void {
    this.#assertOpen()
    this.#raw.requestSync()
  }

  /** The stretch of about `spanBytes` that holds `offset`: the same for every offset in it. Null at the end. */
  stretch(offset: number, spanBytes: number): RawStretch | null {
    this.#assertOpen()
    return callNative(() => this.#raw.stretch(offset, spanBytes, this.#mayLend))
  }

  /** Batches from the one that holds `offset` on. Null at the end. */
  read(offset: number, maxBytes: number): RawStretch | null {
    this.#assertOpen()
    return callNative(() => this.#raw.read(offset, maxBytes, this.#mayLend))
  }

  offsetForTimestamp(timestamp: number): number | null {
    this.#assertOpen()
    return callNative(() => this.#raw.offsetForTimestamp(timestamp))
  }

  truncate(offset: number): number {
    this.#assertOpen()
    return callNative(() => this.#raw.truncate(offset))
  }

  deleteBefore(offset: number): number {
    this.#assertOpen()
    return callNative(() => this.#raw.deleteBefore(offset))
  }

  /** Begins a copy in a directory that does not exist yet. */
  beginSnapshot(dir: string): void {
    this.#assertOpen()
    callNative(() => this.#raw.beginSnapshot(dir))
  }

  /** The end offset of the finished copy, null while it is not finished. */
  takeSnapshot(dir: string): number | null {
    return callNative(() => this.#raw.takeSnapshot(dir))
  }

  /** Why records that were accepted are lost. */
  lastFailure(): NativeError {
    const failure = this.#raw.lastFailure()
    return failure === null
      ? new NativeError('UNKNOWN', 'the log failed')
      : new NativeError(failure.code, failure.message)
  }

  /** The writer's: writes, syncs and unlocks. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    try {
      callNative(() => this.#raw.close())
    } finally {
      this.refresh()
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new NativeError('CLOSED', 'the log is closed')
  }
}
