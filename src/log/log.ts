// Owns an open log as its user holds it: appends, reads, the promises of both, and its end.
// Never touches a record's bytes. Invariants: every `durable` promise settles; after `close` nothing reaches the core.
import { resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'
import { EmbeddedHandle } from '#native'
import { LogError, logErrorOf } from './log-error.ts'
import { type Ack, type CheckedOptions, checkAck, refuseUnknown } from './log-options.ts'
import { LogWriter } from './log-writer.ts'
import { PackedRecords } from './packed-records.ts'
import { type AppendInput, bytesOf, type Codec, type RecordInput } from './record-input.ts'
import { type KeptRecord, type LogRecord, RecordBatch, RecordView } from './record-view.ts'
import { recordStarts, Stretch } from './stretch.ts'
import { Stretches } from './stretches.ts'
import { readableOf, readableStreamOf, writableOf, writableStreamOf, type WriteStreamOptions } from './streams.ts'
import { Waiters } from './waiters.ts'

export interface AppendOptions {
  /** What `durable` waits for; the log's own unless given. */
  readonly ack?: Ack
}

/** Where records went. */
export interface Appended {
  /** Offset of the first record. */
  readonly baseOffset: bigint
  /** The offset behind the last one. */
  readonly nextOffset: bigint
  /** Resolves when the records have reached what `ack` asks for; rejects with a LogError when they are lost. */
  readonly durable: Promise<void>
}

export interface ReadOptions {
  /** First offset; the log start unless given. */
  readonly from?: bigint | number
  /** The offset to stop before; the end of the log as it is now unless given. */
  readonly to?: bigint | number
  /** Waits at the end of the log for more, until `to` or the signal. Default false. */
  readonly follow?: boolean
  readonly signal?: AbortSignal
  /** Bytes of one batch of records, whole record batches of the file. Default 1 MiB. */
  readonly maxBytes?: number
}

export type ScanOptions = Pick<ReadOptions, 'from' | 'to'>

const DEFAULT_READ_BYTES = 1024 * 1024
/** Bytes that a synchronous scan brings into memory at a time. */
const SCAN_BYTES = 1024 * 1024

const readOptions: Required<{ [Name in keyof ReadOptions]: true }> = {
  from: true,
  to: true,
  follow: true,
  signal: true,
  maxBytes: true,
}

/** Logs whose batch under construction must not be lost when the process ends in order. */
const openWriters = new Set<Log<never>>()
let watchesExit = false

export class Log<Value = Buffer> implements AsyncDisposable {
  readonly #handle: EmbeddedHandle
  readonly #writer: LogWriter | null
  readonly #stretches: Stretches
  readonly #waiters: Waiters
  readonly #codec: Codec<Value> | null
  readonly #ack: Ack
  /** Nobody in this process writes the log: its files are looked at when something is asked of them. */
  readonly #isObserver: boolean

  /** See `openLog`. */
  constructor(dir: string, options: CheckedOptions<Value>) {
    this.#codec = options.codec
    this.#ack = options.ack
    try {
      this.#handle = new EmbeddedHandle({
        dir,
        writer: options.readOnly
          ? null
          : {
              segmentBytes: options.segmentBytes,
              segmentMs: options.segmentMs,
              indexIntervalBytes: options.indexIntervalBytes,
              fileDeleteDelayMs: options.fileDeleteDelayMs,
              ...(options.retentionBytes === null ? {} : { retentionBytes: options.retentionBytes }),
              ...(options.retentionMs === null ? {} : { retentionMs: options.retentionMs }),
              slots: options.batchesInFlight,
              slotBytes: options.batchBytes,
              verifyChecksums: options.verifyChecksums,
            },
        onWake: () => this.#waiters.settle(),
      })
    } catch (cause) {
      throw logErrorOf(cause)
    }
    this.#isObserver = this.#handle.isObserver
    this.#waiters = new Waiters(this.#handle, this.#isObserver)
    this.#stretches = new Stretches(this.#handle)
    this.#writer = options.readOnly ? null : new LogWriter(this.#handle, { slotBytes: options.batchBytes })
    if (this.#writer !== null) sealAtExit(this)
  }

  /** First offset that can be read. */
  get startOffset(): bigint {
    this.#handle.refresh()
    return BigInt(this.#handle.startOffset)
  }

  /** The offset of the next record; for a reader, of the next it will see. */
  get endOffset(): bigint {
    this.#handle.refresh()
    return BigInt(this.#writer?.nextOffset ?? this.#handle.writtenOffset)
  }

  /** Everything below survives power loss. */
  get syncedOffset(): bigint {
    this.#handle.refresh()
    return BigInt(this.#handle.syncedOffset)
  }

  get closed(): boolean {
    return this.#handle.isClosed
  }

  /** Appends records, behind each other. Waits only when `batchesInFlight` batches wait to be written already. */
  append(records: readonly AppendInput<Value>[] | PackedRecords, options?: AppendOptions): Appended {
    const writer = this.#writable()
    const ack = options?.ack === undefined ? this.#ack : checkAck(options.ack)
    const wantsSync = ack === 'fsync'
    if (records instanceof PackedRecords) {
      const first = writer.appendPacked(records.bytes, wantsSync)
      return new AppendedRecords(this.#waiters, first, writer.nextOffset, ack)
    }
    if (!Array.isArray(records)) {
      throw new LogError('INVALID_ARGUMENT', 'append takes an array of records or PackedRecords; appendOne takes one')
    }
    const first = writer.nextOffset
    // Encoded before any is written where that can fail: all of the records are appended or none.
    const encoded = records.map(record => this.#encode(record))
    for (let index = 0; index < records.length; index += 1)
      this.#write(writer, records[index], encoded[index], wantsSync)
    return new AppendedRecords(this.#waiters, first, writer.nextOffset, ack)
  }

  /** Appends one record. The cheapest way to write: no crossing into native code, no promise until `durable` is asked for. */
  appendOne(record: AppendInput<Value>, options?: AppendOptions): Appended {
    const writer = this.#writable()
    const ack = options?.ack === undefined ? this.#ack : checkAck(options.ack)
    const wantsSync = ack === 'fsync'
    const offset =
      record instanceof Uint8Array && this.#codec === null
        ? writer.appendValue(record, wantsSync)
        : this.#write(writer, record, this.#encode(record), wantsSync)
    return new AppendedRecords(this.#waiters, offset, offset + 1, ack)
  }

  /** Resolves when everything appended so far is in the file. */
  async flush(): Promise<void> {
    const writer = this.#writable()
    writer.seal()
    await this.#waiters.until(writer.nextOffset, 'written')
  }

  /** Resolves when everything appended so far is on the disk. */
  async sync(): Promise<void> {
    const writer = this.#writable()
    writer.seal()
    this.#handle.requestSync()
    await this.#waiters.until(writer.nextOffset, 'fsync')
  }

  /** The record at `offset` as a view that stays valid, or undefined when the log has none there. May wait for the disk. */
  get(offset: bigint | number): LogRecord<Value> | undefined {
    const wanted = typeof offset === 'number' ? offset : Number(offset)
    const handle = this.#handle
    handle.refresh()
    if (wanted >= handle.writtenOffset) this.#bringIntoReach(wanted)
    if (!(wanted >= handle.startOffset && wanted < handle.writtenOffset)) {
      if (!Number.isSafeInteger(wanted)) throw new LogError('INVALID_ARGUMENT', `${String(offset)} is not an offset`)
      return undefined
    }
    const batch = this.#stretches.at(wanted)?.batchOf(wanted)
    if (batch === null || batch === undefined || wanted < batch.baseOffset) return undefined
    const starts = batch.starts ?? recordStarts(batch)
    if (batch.nextOffset - batch.baseOffset === starts.length) {
      return new RecordView(batch, starts[wanted - batch.baseOffset] as number, this.#codec)
    }
    // Compaction left holes: the offset is not the index.
    for (const start of starts) {
      const view = new RecordView(batch, start, this.#codec)
      if (view.offsetNumber === wanted) return view
    }
    return undefined
  }

  /** Records one by one, synchronously: the fastest way through a log that is in memory. Each is valid until the next. */
  *scan(options: ScanOptions = {}): Generator<LogRecord<Value>, void, undefined> {
    refuseUnknown(options, { from: true, to: true }, 'scan')
    const { from, to } = this.#range(options)
    let offset = from
    let view: RecordView<Value> | undefined
    while (offset < to) {
      const stretch = this.#readStretch(offset, SCAN_BYTES)
      if (stretch === null) return
      for (const batch of stretch.batchesFrom(offset)) {
        view ??= new RecordView(batch, batch.start, this.#codec)
        let at = batch.start
        for (let index = 0; index < batch.recordCount; index += 1) {
          at = view.show(batch, at)
          const found = view.offsetNumber
          if (found >= to) return
          if (found >= from) yield view
        }
      }
      offset = stretch.endOffset
    }
  }

  /** Batches of records. Ends at the end of the log, unless it is to follow. */
  async *read(options: ReadOptions = {}): AsyncGenerator<RecordBatch<Value>, void, undefined> {
    refuseUnknown(options, readOptions, 'read')
    const { signal, follow = false, maxBytes = DEFAULT_READ_BYTES } = options
    if (!Number.isSafeInteger(maxBytes) || maxBytes < 1) {
      throw new LogError('INVALID_ARGUMENT', `maxBytes is a whole number above 0, not ${maxBytes}`)
    }
    const { from, to } = this.#range(options, follow)
    let offset = from
    while (offset < to) {
      signal?.throwIfAborted()
      const stretch = this.#readStretch(offset, maxBytes)
      if (stretch === null) {
        if (!follow || !(await this.#waiters.more(offset, signal))) return
        continue
      }
      const start = offset
      const range = { from: start, to: Math.min(to, stretch.endOffset), sizeBytes: stretch.bytes.length }
      const batch = new RecordBatch(() => stretch.batchesFrom(start), range, this.#codec)
      try {
        yield batch
      } finally {
        batch.expire()
      }
      offset = stretch.endOffset
    }
  }

  /** The first offset whose record has this timestamp or a later one; null when there is none. */
  offsetForTimestamp(timestamp: bigint | number | Date): bigint | null {
    if (this.#isObserver) return this.#scanForTimestamp(BigInt(Number(timestamp)))
    this.#writer?.seal()
    const found = this.#native(handle => handle.offsetForTimestamp(Number(timestamp)))
    return found === null ? null : BigInt(found)
  }

  /** Cuts the log so that it ends at `offset`, or at the beginning of the batch that holds it. Returns the end. Views of what is cut stay
   *  what they were. */
  truncate(offset: bigint | number): bigint {
    const writer = this.#writable()
    writer.seal()
    const end = this.#native(handle => handle.truncate(offsetOf(offset)))
    writer.reset()
    return BigInt(end)
  }

  /** Records before `offset` are gone; whole segments of them are deleted. Returns the first offset that is left. */
  deleteBefore(offset: bigint | number): bigint {
    this.#writable().seal()
    return BigInt(this.#native(handle => handle.deleteBefore(offsetOf(offset))))
  }

  /** Copies the log, as it is now, into a directory that does not exist yet; resolves with its end when the copy is on the disk. The log may be
   *  used meanwhile, except for cutting it. */
  async snapshot(dir: string): Promise<bigint> {
    const writer = this.#writable()
    writer.seal()
    const into = resolve(dir)
    this.#native(handle => handle.beginSnapshot(into))
    let end: number | null = null
    await this.#waiters.when(() => {
      end = this.#handle.takeSnapshot(into)
      return end !== null
    })
    return BigInt(end ?? 0)
  }

  /** Records that own their bytes, as a Node stream: what `read` gives, a batch of at most `maxBytes` in memory at a time. */
  readable(options: ReadOptions = {}): Readable {
    return readableOf(this, options)
  }

  /** A Node stream that appends what is written to it. It takes no more while `highWaterMarkBytes` are not acknowledged. */
  writable(options: WriteStreamOptions = {}): Writable {
    return writableOf(this, options)
  }

  /** As `readable`, for the Web's streams. */
  readableStream(options: ReadOptions = {}): ReadableStream<KeptRecord<Value>> {
    return readableStreamOf(this, options)
  }

  /** As `writable`, for the Web's streams. */
  writableStream(options: WriteStreamOptions = {}): WritableStream<AppendInput<Value>> {
    return writableStreamOf(this, options)
  }

  /** Writes and syncs what was appended and lets go of the directory. */
  // oxlint-disable-next-line typescript/require-await -- a promise, so that closing may leave this thread without changing callers
  async close(): Promise<void> {
    if (this.#handle.isClosed) return
    openWriters.delete(this as unknown as Log<never>)
    let failure: unknown = null
    try {
      this.#writer?.seal()
    } catch (cause) {
      failure = cause
    }
    try {
      this.#native(handle => handle.close())
    } catch (cause) {
      failure ??= cause
    }
    this.#waiters.end()
    if (failure === null) {
      try {
        this.#writer?.throwFailure()
      } catch (cause) {
        failure = cause
      }
    }
    if (failure !== null) throw failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** What is under construction goes to the core. For the end of the process. */
  sealNow(): void {
    if (this.#handle.isClosed) return
    this.#writer?.seal()
    this.#handle.close()
  }

  /** Without the writer's time index every record is looked at. */
  #scanForTimestamp(timestamp: bigint): bigint | null {
    for (const record of this.scan()) if (record.timestamp >= timestamp) return record.offset
    return null
  }

  #write(writer: LogWriter, record: unknown, value: Uint8Array | null | undefined, wantsSync: boolean): number {
    const bytes = value ?? null
    return bytes !== null && (record instanceof Uint8Array || typeof record === 'string')
      ? writer.appendValue(bytes, wantsSync)
      : writer.append(record as RecordInput<unknown>, bytes, wantsSync)
  }

  /** The bytes of a record's value; a record that is not one throws. */
  #encode(record: AppendInput<Value> | undefined): Uint8Array | null {
    const codec = this.#codec
    if (codec === null && (record instanceof Uint8Array || typeof record === 'string')) return bytesOf(record, 'value')
    if (record === null || typeof record !== 'object' || !('value' in record)) {
      const form = codec === null ? 'bytes, a string or { value }' : '{ value }, since the log has a codec'
      throw new LogError('INVALID_RECORD', `a record is ${form}`)
    }
    const { value } = record as RecordInput<unknown>
    if (value === null) return null
    return bytesOf(codec === null ? value : codec.encode(value as Value), 'value')
  }

  #writable(): LogWriter {
    if (this.#handle.isClosed) throw new LogError('CLOSED', 'the log is closed')
    if (this.#writer === null) throw new LogError('READ_ONLY', 'the log was opened with readOnly')
    return this.#writer
  }

  /** Makes what this handle has appended readable, and what another process has. */
  #bringIntoReach(offset: number): void {
    const writer = this.#writer
    if (this.#isObserver) this.#native(handle => handle.observe())
    if (writer === null || offset >= writer.nextOffset) return
    writer.seal()
    this.#native(handle => handle.flush())
    this.#handle.refresh()
  }

  #readStretch(offset: number, maxBytes: number): Stretch | null {
    const handle = this.#handle
    handle.refresh()
    if (offset >= handle.writtenOffset) this.#bringIntoReach(offset)
    if (offset >= handle.writtenOffset) return null
    const raw = this.#native(native => native.read(offset, maxBytes))
    return raw === null ? null : new Stretch(raw, handle.generation)
  }

  #range(options: ScanOptions, follow = false): { from: number; to: number } {
    if (this.#isObserver) this.#native(handle => handle.observe())
    const start = Number(this.startOffset)
    const end = Number(this.endOffset)
    const from = options.from === undefined ? start : offsetOf(options.from)
    if (from < start || from > end) {
      throw new LogError('OFFSET_OUT_OF_RANGE', `offset ${from} is not in the log, which has ${start} to ${end}`)
    }
    const to = options.to === undefined ? (follow ? Number.POSITIVE_INFINITY : end) : offsetOf(options.to)
    return { from, to: follow ? to : Math.min(to, end) }
  }

  #native<Result>(call: (handle: EmbeddedHandle) => Result): Result {
    try {
      return call(this.#handle)
    } catch (cause) {
      throw logErrorOf(cause)
    }
  }
}

/** Made for every append: the promise only when someone asks. */
class AppendedRecords implements Appended {
  readonly #waiters: Waiters
  readonly #first: number
  readonly #end: number
  readonly #ack: Ack

  constructor(waiters: Waiters, first: number, end: number, ack: Ack) {
    this.#waiters = waiters
    this.#first = first
    this.#end = end
    this.#ack = ack
  }

  get baseOffset(): bigint {
    return BigInt(this.#first)
  }

  get nextOffset(): bigint {
    return BigInt(this.#end)
  }

  get durable(): Promise<void> {
    return this.#ack === 'memory' ? Promise.resolve() : this.#waiters.until(this.#end, this.#ack)
  }
}

function offsetOf(offset: bigint | number): number {
  const number = Number(offset)
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new LogError('INVALID_ARGUMENT', `${String(offset)} is not an offset`)
  }
  return number
}

function sealAtExit(log: Log<never> | Log<unknown>): void {
  openWriters.add(log as Log<never>)
  if (watchesExit) return
  watchesExit = true
  process.once('exit', () => {
    for (const writer of openWriters) {
      try {
        writer.sealNow()
      } catch {
        // The process ends; what is lost was promised to nobody.
      }
    }
  })
}

export type { KeptRecord, LogRecord }
