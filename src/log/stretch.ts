// Owns a stretch of the log in memory: its batches, found by offset, and where the records of a batch begin. Never reads the disk.
// Invariant: the core has checked every header and checksum in it; what it holds does not change.
import { codec, type RawStretch } from '#native'
import { LogError } from './log-error.ts'

export const HEADER_BYTES = 61
const LENGTH_AT = 8
const LENGTH_END = 12
const ATTRIBUTES_AT = 21
const LAST_OFFSET_DELTA_AT = 23
const BASE_TIMESTAMP_AT = 27
const MAX_TIMESTAMP_AT = 35
const RECORD_COUNT_AT = 57
const CODEC_MASK = 0x07
const CONTROL_BIT = 0x20
export const LOG_APPEND_TIME_BIT = 0x08
/** What one batch may decompress to: 64 times Kafka's default `max.message.bytes`. */
const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024

/** One batch whose records lie, not compressed, in `bytes` from `start` to `end`. */
export interface BatchBytes {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly baseOffset: number
  readonly nextOffset: number
  readonly attributes: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  /** 0 for control batches: they are no user's records. */
  readonly recordCount: number
  /** Where record i begins, once someone looked for one. */
  starts: Uint32Array | null
}

const EMPTY = Buffer.alloc(0)

export class Stretch {
  readonly bytes: Buffer
  readonly baseOffset: number
  readonly endOffset: number
  readonly generation: number
  readonly isMapped: boolean
  /** Pairs: base offset and position of a batch. */
  readonly #table: Float64Array
  /** Batches that table entries name, once parsed. */
  readonly #parsed: (BatchBytes | undefined)[]

  constructor(raw: RawStretch, generation: number) {
    this.bytes = Buffer.from(raw.bytes)
    this.baseOffset = raw.baseOffset
    this.endOffset = raw.endOffset
    this.generation = generation
    this.isMapped = raw.isMapped
    this.#table = new Float64Array(raw.table)
    this.#parsed = Array.from({ length: this.#table.length / 2 }, () => undefined)
  }

  /** The batch that holds `offset` or, in a hole that compaction left, the next one; null when it lies behind the last. */
  batchOf(offset: number): BatchBytes | null {
    const table = this.#table
    let low = 0
    let high = table.length >>> 1
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if ((table[middle << 1] as number) <= offset) low = middle
      else high = middle
    }
    let batch = this.#parsed[low]
    if (batch === undefined) {
      batch = parseBatch(this.bytes, table[(low << 1) + 1] as number)
      this.#parsed[low] = batch
    }
    if (offset < batch.nextOffset) return batch
    let position = this.#after(table[(low << 1) + 1] as number)
    while (position < this.bytes.length) {
      batch = parseBatch(this.bytes, position)
      if (offset < batch.nextOffset) return batch
      position = this.#after(position)
    }
    return null
  }

  /** Batches from the one that holds `from` on. */
  *batchesFrom(from: number): Generator<BatchBytes, void, undefined> {
    const table = this.#table
    let low = 0
    let high = table.length >>> 1
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if ((table[middle << 1] as number) <= from) low = middle
      else high = middle
    }
    let position = table[(low << 1) + 1] as number
    while (position < this.bytes.length) {
      const batch = parseBatch(this.bytes, position)
      if (batch.nextOffset > from) yield batch
      position = this.#after(position)
    }
  }

  #after(position: number): number {
    return position + LENGTH_END + this.bytes.readInt32BE(position + LENGTH_AT)
  }
}

function parseBatch(bytes: Buffer, position: number): BatchBytes {
  const end = position + LENGTH_END + bytes.readInt32BE(position + LENGTH_AT)
  const baseOffset = int64(bytes, position)
  const attributes = bytes.readInt16BE(position + ATTRIBUTES_AT)
  const isControl = (attributes & CONTROL_BIT) !== 0
  const codecId = attributes & CODEC_MASK
  const recordCount = isControl ? 0 : bytes.readInt32BE(position + RECORD_COUNT_AT)
  let records = bytes
  let [start, recordsEnd] = [position + HEADER_BYTES, end]
  if (codecId !== 0 && recordCount > 0) {
    records = codec.decompress(codecId, bytes.subarray(start, end), DECOMPRESSED_BYTES_MAX)
    ;[start, recordsEnd] = [0, records.length]
  } else if (recordCount === 0) {
    records = EMPTY
    ;[start, recordsEnd] = [0, 0]
  }
  return {
    bytes: records,
    start,
    end: recordsEnd,
    baseOffset,
    nextOffset: baseOffset + bytes.readInt32BE(position + LAST_OFFSET_DELTA_AT) + 1,
    attributes,
    baseTimestamp: int64(bytes, position + BASE_TIMESTAMP_AT),
    maxTimestamp: int64(bytes, position + MAX_TIMESTAMP_AT),
    recordCount,
    starts: null,
  }
}

/** Offsets and times are below 2^53; what is not is damage the checksum does not know of. */
function int64(bytes: Buffer, at: number): number {
  const value = bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
  if (!Number.isSafeInteger(value)) throw new LogError('CORRUPT', 'an offset or a time is beyond 2^53')
  return value
}

/** Where each record of the batch begins. */
export function recordStarts(batch: BatchBytes): Uint32Array {
  if (batch.starts !== null) return batch.starts
  const starts = new Uint32Array(batch.recordCount)
  const { bytes, end } = batch
  let at = batch.start
  for (let index = 0; index < batch.recordCount; index += 1) {
    starts[index] = at
    let length = 0
    let shift = 0
    for (;;) {
      const byte = bytes[at] as number
      at += 1
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
      shift += 7
      if (shift > 28) throw new LogError('CORRUPT', 'a record length is malformed')
    }
    at += length >>> 1
    if ((length & 1) !== 0 || at > end) throw new LogError('CORRUPT', 'a record reaches beyond its batch')
  }
  batch.starts = starts
  return starts
}
