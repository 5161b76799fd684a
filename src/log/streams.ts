// Owns a log as streams: Node's and the Web's, both ways. Never holds more than one batch when reading, or more than the mark when writing.
// Invariant: a stream of writes ends, or a write is answered beyond the mark, only when what was written before is acknowledged.
import { Readable, Writable } from 'node:stream'
import { ReadableStream, WritableStream } from 'node:stream/web'
import type { Appended, Log, ReadOptions } from './log.ts'
import { LogError } from './log-error.ts'
import { refuseUnknown } from './log-options.ts'
import type { AppendInput } from './record-input.ts'
import type { KeptRecord } from './record-view.ts'

export interface WriteStreamOptions {
  /** Bytes of records that may be written and not yet acknowledged. Default 1 MiB. */
  readonly highWaterMarkBytes?: number
}

const HIGH_WATER_MARK_BYTES = 1024 * 1024
/** What a record without a known size counts: a codec decides later. */
const UNKNOWN_BYTES = 256

async function* recordsOf<Value>(
  log: Log<Value>,
  options: ReadOptions,
): AsyncGenerator<KeptRecord<Value>, void, undefined> {
  for await (const batch of log.read(options)) yield* batch.copy()
}

export function readableOf<Value>(log: Log<Value>, options: ReadOptions): Readable {
  // One record ahead: the batch it comes from is what is in memory.
  return Readable.from(recordsOf(log, options), { objectMode: true, highWaterMark: 1 })
}

export function readableStreamOf<Value>(log: Log<Value>, options: ReadOptions): ReadableStream<KeptRecord<Value>> {
  const records = recordsOf(log, options)
  return new ReadableStream<KeptRecord<Value>>(
    {
      async pull(controller) {
        const { done, value } = await records.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await records.return()
      },
    },
    { highWaterMark: 0 },
  )
}

/** Appends one after the other, and waits where the mark says so. */
class Appending<Value> {
  readonly #log: Log<Value>
  readonly #markBytes: number
  #unacknowledged = 0
  #last: Appended | null = null

  constructor(log: Log<Value>, options: WriteStreamOptions) {
    refuseUnknown(options, { highWaterMarkBytes: true }, 'a stream of writes')
    const { highWaterMarkBytes = HIGH_WATER_MARK_BYTES } = options
    if (!Number.isSafeInteger(highWaterMarkBytes) || highWaterMarkBytes < 1) {
      throw new LogError('INVALID_ARGUMENT', `highWaterMarkBytes is a whole number above 0, not ${highWaterMarkBytes}`)
    }
    this.#log = log
    this.#markBytes = highWaterMarkBytes
  }

  /** Null: go on at once. */
  append(record: AppendInput<Value>): Promise<void> | null {
    this.#last = this.#log.appendOne(record)
    this.#unacknowledged += sizeOf(record)
    return this.#unacknowledged < this.#markBytes ? null : this.settle()
  }

  async settle(): Promise<void> {
    this.#unacknowledged = 0
    await this.#last?.durable
  }
}

export function writableOf<Value>(log: Log<Value>, options: WriteStreamOptions): Writable {
  const appending = new Appending(log, options)
  return new Writable({
    objectMode: true,
    write(record: AppendInput<Value>, _encoding, done) {
      try {
        const settled = appending.append(record)
        if (settled === null) done()
        else settled.then(() => done(), done)
      } catch (cause) {
        done(cause as Error)
      }
    },
    final(done) {
      appending.settle().then(() => done(), done)
    },
  })
}

export function writableStreamOf<Value>(
  log: Log<Value>,
  options: WriteStreamOptions,
): WritableStream<AppendInput<Value>> {
  const appending = new Appending(log, options)
  return new WritableStream<AppendInput<Value>>({
    async write(record) {
      await appending.append(record)
    },
    close: () => appending.settle(),
  })
}

function sizeOf(record: unknown): number {
  if (typeof record === 'string' || record instanceof Uint8Array) return record.length
  const { key, value } = record as { readonly key?: unknown; readonly value?: unknown }
  return lengthOf(key) + lengthOf(value)
}

function lengthOf(part: unknown): number {
  if (part === undefined || part === null) return 0
  return typeof part === 'string' || part instanceof Uint8Array ? part.length : UNKNOWN_BYTES
}
