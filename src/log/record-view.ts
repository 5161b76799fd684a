// Owns what a reader sees: records as lazy views over the bytes of their batch. Never copies unless asked.
// Invariant: a view reads only bytes of its own batch, whose checksum was right when it came into memory.
//
// One record (docs/formats/record-batch.md): varint length, i8 attributes, varlong timestamp delta, varint offset delta,
// varint key length, key, varint value length, value, varint header count, headers.
import { LogError } from './log-error.ts'
import type { Codec, RecordHeader } from './record-input.ts'
import { type BatchBytes, LOG_APPEND_TIME_BIT } from './stretch.ts'

/** A record that owns its bytes. */
export interface KeptRecord<Value = Buffer> {
  readonly offset: bigint
  readonly timestamp: bigint
  readonly key: Buffer | null
  readonly value: Value | null
  readonly headers: readonly RecordHeader[]
}

/** A record in the log's own memory. `key`, `value` and `headers` are views, made when they are asked for. */
export interface LogRecord<Value = Buffer> extends KeptRecord<Value> {
  /** Bytes of the encoded value, 0 for null. */
  readonly valueBytes: number
  /** The same record with bytes of its own. */
  copy(): KeptRecord<Value>
}

/** Where the last varint ended; avoids an object a number. One thread, no re-entry. */
let end = 0

/** A zigzag varint at `at`; the next position is in `end`. Throws on one that is longer than 32 bits. */
function varint(bytes: Uint8Array, at: number): number {
  let byte = bytes[at] as number
  if (byte < 0x80) {
    end = at + 1
    return (byte >>> 1) ^ -(byte & 1)
  }
  let raw = byte & 0x7f
  let shift = 7
  let position = at + 1
  for (;;) {
    byte = bytes[position] as number
    position += 1
    raw |= (byte & 0x7f) << shift
    if (byte < 0x80) break
    shift += 7
    if (shift > 28) throw malformed()
  }
  end = position
  return (raw >>> 1) ^ -(raw & 1)
}

/** A zigzag varlong as a number; timestamps differ by less than 2^53. */
function varlong(bytes: Uint8Array, at: number): number {
  let factor = 1
  let raw = 0
  let position = at
  for (;;) {
    const byte = bytes[position] as number
    position += 1
    raw += (byte & 0x7f) * factor
    if (byte < 0x80) break
    factor *= 128
    if (factor > 2 ** 63) throw malformed()
  }
  end = position
  return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
}

const malformed = (): LogError => new LogError('CORRUPT', 'a record of a batch with a right checksum is malformed')

/** One record at a time of one batch at a time. Its fields are found when one is asked for. */
export class RecordView<Value> implements LogRecord<Value> {
  readonly #codec: Codec<Value> | null
  #batch: BatchBytes
  #bytes: Buffer
  /** Where the record begins; -1 once its fields are known. */
  #at: number
  #timestampDelta = 0
  #offsetDelta = 0
  #keyAt = 0
  #keyBytes = 0
  #valueAt = 0
  #valueBytes = 0
  #end = 0

  constructor(batch: BatchBytes, at: number, codec: Codec<Value> | null) {
    this.#batch = batch
    this.#bytes = batch.bytes
    this.#at = at
    this.#codec = codec
  }

  /** Shows the record at `at`; returns where the next one begins. */
  show(batch: BatchBytes, at: number): number {
    this.#at = -1
    this.#batch = batch
    const bytes = batch.bytes
    this.#bytes = bytes
    const length = varint(bytes, at)
    const recordEnd = end + length
    if (length < 0 || recordEnd > batch.end) throw malformed()
    const deltaAt = end + 1
    if ((bytes[deltaAt] as number) < 0x80) {
      const raw = bytes[deltaAt] as number
      this.#timestampDelta = (raw >>> 1) ^ -(raw & 1)
      end = deltaAt + 1
    } else this.#timestampDelta = varlong(bytes, deltaAt)
    this.#offsetDelta = varint(bytes, end)
    const keyBytes = varint(bytes, end)
    this.#keyAt = end
    this.#keyBytes = keyBytes
    const valueBytes = varint(bytes, keyBytes > 0 ? end + keyBytes : end)
    this.#valueAt = end
    this.#valueBytes = valueBytes
    this.#end = recordEnd
    if (keyBytes < -1 || valueBytes < -1 || end + (valueBytes > 0 ? valueBytes : 0) > recordEnd) throw malformed()
    return recordEnd
  }

  #find(): void {
    if (this.#at >= 0) this.show(this.#batch, this.#at)
  }

  get offsetNumber(): number {
    this.#find()
    return this.#batch.baseOffset + this.#offsetDelta
  }

  get offset(): bigint {
    return BigInt(this.offsetNumber)
  }

  get timestamp(): bigint {
    this.#find()
    const batch = this.#batch
    return BigInt(
      (batch.attributes & LOG_APPEND_TIME_BIT) !== 0 ? batch.maxTimestamp : batch.baseTimestamp + this.#timestampDelta,
    )
  }

  get key(): Buffer | null {
    this.#find()
    const size = this.#keyBytes
    return size < 0 ? null : this.#bytes.subarray(this.#keyAt, this.#keyAt + size)
  }

  /** The encoded value, as a view. */
  get bytes(): Buffer | null {
    this.#find()
    const size = this.#valueBytes
    return size < 0 ? null : this.#bytes.subarray(this.#valueAt, this.#valueAt + size)
  }

  get value(): Value | null {
    const bytes = this.bytes
    if (bytes === null || this.#codec === null) return bytes as Value | null
    return this.#codec.decode(bytes)
  }

  get valueBytes(): number {
    this.#find()
    return Math.max(this.#valueBytes, 0)
  }

  get headers(): readonly RecordHeader[] {
    const bytes = this.#bytes
    const valueBytes = this.valueBytes
    const count = varint(bytes, this.#valueAt + valueBytes)
    const headers: RecordHeader[] = []
    for (let index = 0; index < count; index += 1) {
      const keyBytes = varint(bytes, end)
      const keyEnd = end + keyBytes
      if (keyBytes < 0 || keyEnd > this.#end) throw malformed()
      const key = bytes.toString('utf8', end, keyEnd)
      const size = varint(bytes, keyEnd)
      const valueEnd = end + Math.max(size, 0)
      if (valueEnd > this.#end) throw malformed()
      headers.push({ key, value: size < 0 ? null : bytes.subarray(end, valueEnd) })
      end = valueEnd
    }
    return headers
  }

  copy(): KeptRecord<Value> {
    const bytes = this.bytes
    const value = bytes === null ? null : Buffer.from(bytes)
    const key = this.key
    return {
      offset: this.offset,
      timestamp: this.timestamp,
      key: key === null ? null : Buffer.from(key),
      value: (value === null || this.#codec === null ? value : this.#codec.decode(value)) as Value | null,
      headers: this.headers.map(header => ({
        key: header.key,
        value: header.value === null ? null : Buffer.from(header.value),
      })),
    }
  }
}

/** What one pull of `read` yields: records that lie behind each other in the log. The records are shown one at a time, and the whole batch only
 *  until the next pull: `copy` what is to be kept. */
export class RecordBatch<Value> implements Iterable<LogRecord<Value>> {
  readonly #batches: () => Iterable<BatchBytes>
  readonly #codec: Codec<Value> | null
  readonly #from: number
  readonly #to: number
  /** Bytes of whole batches that were read for it. */
  readonly sizeBytes: number
  #stale = false

  constructor(
    batches: () => Iterable<BatchBytes>,
    range: { readonly from: number; readonly to: number; readonly sizeBytes: number },
    codec: Codec<Value> | null,
  ) {
    this.#batches = batches
    this.#from = range.from
    this.#to = range.to
    this.sizeBytes = range.sizeBytes
    this.#codec = codec
  }

  /** The first offset it may hold. */
  get baseOffset(): bigint {
    return BigInt(this.#from)
  }

  /** The offset behind it. */
  get nextOffset(): bigint {
    return BigInt(this.#to)
  }

  *[Symbol.iterator](): Generator<LogRecord<Value>, void, undefined> {
    let view: RecordView<Value> | undefined
    for (const batch of this.#batches()) {
      view ??= new RecordView(batch, batch.start, this.#codec)
      let at = batch.start
      for (let index = 0; index < batch.recordCount; index += 1) {
        if (this.#stale) throw staleView()
        at = view.show(batch, at)
        const offset = view.offsetNumber
        if (offset >= this.#to) return
        if (offset >= this.#from) yield view
      }
    }
  }

  /** Its records, with bytes of their own. */
  copy(): KeptRecord<Value>[] {
    return Array.from(this, record => record.copy())
  }

  /** The next batch takes its place: iterating it is an error from now on. */
  expire(): void {
    this.#stale = true
  }
}

const staleView = (): LogError =>
  new LogError('STALE_VIEW', 'the records of a batch are valid until the next one is pulled: copy() what is to be kept')
