// Owns the batch under construction: records of one turn of the event loop, encoded by JavaScript straight into memory the core writes from.
// Never touches a slot that was handed over until the core gives it back. Invariant: offsets are counted here as the log counts them; after a
// failure both begin again at the end of what was written.
//
// A record as it is written: docs/formats/record-batch.md. Single appends cost no crossing; a batch costs one (bench row 9).
import type { EmbeddedHandle } from '#native'
import { logErrorOf } from './log-error.ts'
import { bytesOf, type RecordInput, timestampOf } from './record-input.ts'
import { HEADER_BYTES } from './stretch.ts'

/** Length, attributes, timestamp delta, offset delta, key length, value length, header count at their longest. */
const RECORD_OVERHEAD_BYTES_MAX = 5 + 1 + 10 + 5 + 5 + 5 + 5
/** A single byte holds zigzag numbers below 64. */
const ONE_BYTE_BELOW = 64
/** The zigzag form of -1: no key, no value. */
const NONE = 1

export interface WriterOptions {
  readonly slotBytes: number
}

export class LogWriter {
  readonly #handle: EmbeddedHandle
  readonly #arena: Uint8Array
  /** Whether the arena is the core's memory; otherwise slots are copied when they are handed over. */
  readonly #isLent: boolean
  readonly #slotBytes: number
  #slot = 0
  #slotStart = 0
  #at = HEADER_BYTES
  #slotEnd: number
  #count = 0
  #baseTimestamp = 0
  #maxTimestamp = 0
  #wantsSync = false
  #nextOffset: number
  #failures: number
  #isScheduled = false

  constructor(handle: EmbeddedHandle, options: WriterOptions) {
    this.#handle = handle
    const arena = handle.arena()
    this.#isLent = arena !== null
    this.#arena = arena === null ? Buffer.allocUnsafeSlow(options.slotBytes) : new Uint8Array(arena)
    this.#slotBytes = options.slotBytes
    this.#slotEnd = options.slotBytes
    this.#nextOffset = handle.writtenOffset
    this.#failures = handle.failures
  }

  /** The offset of the next record. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** Appends a record that is only a value; returns its offset. */
  appendValue(value: Uint8Array, wantsSync: boolean): number {
    const size = value.length
    if (this.#count === 0 || this.#at + size + RECORD_OVERHEAD_BYTES_MAX > this.#slotEnd) {
      if (!this.#makeRoom(size)) return this.#appendAlone(null, value, null, this.#baseTimestamp, wantsSync)
    }
    const arena = this.#arena
    const delta = this.#count
    // attributes, timestamp delta, no key, no headers: a byte each
    let at = putVarint(arena, this.#at, 4 + varintBytes(delta) + varintBytes(size) + size)
    arena[at] = 0
    arena[at + 1] = 0
    at = putVarint(arena, at + 2, delta)
    arena[at] = NONE
    at = putVarint(arena, at + 1, size)
    arena.set(value, at)
    at += size
    arena[at] = 0
    this.#at = at + 1
    this.#count = delta + 1
    if (wantsSync) this.#wantsSync = true
    const offset = this.#nextOffset
    this.#nextOffset = offset + 1
    return offset
  }

  /** Appends any record; returns its offset. `value` is already bytes. */
  append(record: RecordInput<unknown>, value: Uint8Array | null, wantsSync: boolean): number {
    const key = record.key === undefined || record.key === null ? null : bytesOf(record.key, 'key')
    const headers = record.headers === undefined || record.headers.length === 0 ? null : encodeHeaders(record.headers)
    const size = (key?.length ?? 0) + (value?.length ?? 0) + (headers?.length ?? 0)
    if (this.#count === 0 || this.#at + size + RECORD_OVERHEAD_BYTES_MAX > this.#slotEnd) {
      if (!this.#makeRoom(size)) {
        const timestamp = record.timestamp === undefined ? this.#baseTimestamp : timestampOf(record.timestamp)
        return this.#appendAlone(key, value, headers, timestamp, wantsSync)
      }
    }
    let timestamp = this.#baseTimestamp
    if (record.timestamp !== undefined) {
      timestamp = timestampOf(record.timestamp)
      if (this.#count === 0) {
        this.#baseTimestamp = timestamp
        this.#maxTimestamp = timestamp
      } else if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp
    }
    this.#at = putRecord(this.#arena, this.#at, timestamp - this.#baseTimestamp, this.#count, key, value, headers)
    this.#count += 1
    if (wantsSync) this.#wantsSync = true
    const offset = this.#nextOffset
    this.#nextOffset = offset + 1
    return offset
  }

  /** Appends packed records; returns the offset of the first. */
  appendPacked(packed: Uint8Array, wantsSync: boolean): number {
    this.seal()
    this.#checkFailures()
    const offset = this.#nextOffset
    const handle = this.#handle
    try {
      const [count, slot] = handle.handOverPacked(packed, Date.now(), this.#slot, offset, wantsSync, this.#failures)
      this.#nextOffset = offset + count
      if (this.#isLent) this.#useSlot(slot)
      else this.#slot = slot
    } catch (cause) {
      throw logErrorOf(cause)
    }
    return offset
  }

  /** Hands over the batch under construction, if it has records. */
  seal(): void {
    const count = this.#count
    if (count === 0) return
    const bytes = this.#at - this.#slotStart
    const baseOffset = this.#nextOffset - count
    const wantsSync = this.#wantsSync
    this.#count = 0
    this.#wantsSync = false
    try {
      if (this.#isLent) {
        const next = this.#handle.handOver(
          this.#slot,
          bytes,
          count,
          this.#baseTimestamp,
          this.#maxTimestamp,
          baseOffset,
          wantsSync,
          this.#failures,
        )
        this.#useSlot(next)
      } else {
        this.#at = HEADER_BYTES
        const batch = this.#arena.subarray(0, bytes)
        const [base, max] = [this.#baseTimestamp, this.#maxTimestamp]
        this.#handle.handOverOwned(batch, count, base, max, baseOffset, wantsSync, this.#failures)
      }
    } catch (cause) {
      throw logErrorOf(cause)
    }
  }

  /** What was accepted and not written is lost when the log has failed since: says so once, and goes on from what is there. */
  #checkFailures(): void {
    const handle = this.#handle
    handle.refresh()
    if (handle.failures === this.#failures) return
    this.#failures = handle.failures
    this.#restart()
    throw logErrorOf(handle.lastFailure())
  }

  /** Drops the batch under construction and begins at the end of what is written. */
  #restart(): void {
    this.#count = 0
    this.#wantsSync = false
    this.#at = this.#slotStart + HEADER_BYTES
    this.#nextOffset = this.#handle.writtenOffset
  }

  /** After a truncation. */
  reset(): void {
    this.#handle.refresh()
    this.#failures = this.#handle.failures
    this.#restart()
  }

  /** Makes the first failure known that nobody has heard of. */
  throwFailure(): void {
    this.#checkFailures()
  }

  #useSlot(slot: number): void {
    this.#slot = slot
    this.#slotStart = slot * this.#slotBytes
    this.#at = this.#slotStart + HEADER_BYTES
    this.#slotEnd = this.#slotStart + this.#slotBytes
  }

  /** Begins a batch that has room for `size` bytes; false when no slot has. */
  #makeRoom(size: number): boolean {
    this.seal()
    this.#checkFailures()
    this.#baseTimestamp = Date.now()
    this.#maxTimestamp = this.#baseTimestamp
    if (!this.#isScheduled) {
      this.#isScheduled = true
      // The end of the turn: records of one turn form one batch.
      setImmediate(this.#endTurn)
    }
    return HEADER_BYTES + size + RECORD_OVERHEAD_BYTES_MAX <= this.#slotBytes
  }

  readonly #endTurn = (): void => {
    this.#isScheduled = false
    if (!this.#handle.isClosed) this.seal()
  }

  /** A record that no slot holds goes as a batch of its own. */
  #appendAlone(
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: Uint8Array | null,
    timestamp: number,
    wantsSync: boolean,
  ): number {
    const size = (key?.length ?? 0) + (value?.length ?? 0) + (headers?.length ?? 0)
    const batch = Buffer.allocUnsafeSlow(HEADER_BYTES + RECORD_OVERHEAD_BYTES_MAX + size)
    const bytes = putRecord(batch, HEADER_BYTES, 0, 0, key, value, headers)
    const offset = this.#nextOffset
    try {
      const whole = batch.subarray(0, bytes)
      this.#handle.handOverOwned(whole, 1, timestamp, timestamp, offset, wantsSync, this.#failures)
    } catch (cause) {
      throw logErrorOf(cause)
    }
    this.#nextOffset = offset + 1
    return offset
  }
}

function putRecord(
  out: Uint8Array,
  start: number,
  timestampDelta: number,
  offsetDelta: number,
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers: Uint8Array | null,
): number {
  const body =
    1 +
    varlongBytes(timestampDelta) +
    varintBytes(offsetDelta) +
    (key === null ? 1 : varintBytes(key.length) + key.length) +
    (value === null ? 1 : varintBytes(value.length) + value.length) +
    (headers === null ? 1 : headers.length)
  let at = putVarint(out, start, body)
  out[at] = 0
  at = putVarlong(out, at + 1, timestampDelta)
  at = putVarint(out, at, offsetDelta)
  at = putNullable(out, at, key)
  at = putNullable(out, at, value)
  if (headers === null) {
    out[at] = 0
    return at + 1
  }
  out.set(headers, at)
  return at + headers.length
}

function putNullable(out: Uint8Array, at: number, bytes: Uint8Array | null): number {
  if (bytes === null) {
    out[at] = NONE
    return at + 1
  }
  const start = putVarint(out, at, bytes.length)
  out.set(bytes, start)
  return start + bytes.length
}

/** The count and the headers, as they follow the value. */
function encodeHeaders(headers: NonNullable<RecordInput['headers']>): Uint8Array {
  const encoded = headers.map(({ key, value }) => ({
    key: bytesOf(key, 'header key'),
    value: value === null ? null : bytesOf(value, 'header value'),
  }))
  const size = encoded.reduce((sum, { key, value }) => sum + 10 + key.length + (value?.length ?? 0), 5)
  const out = Buffer.allocUnsafe(size)
  let at = putVarint(out, 0, encoded.length)
  for (const { key, value } of encoded) at = putNullable(out, putNullable(out, at, key), value)
  return out.subarray(0, at)
}

/** Bytes of the zigzag form of a number that is not negative. */
function varintBytes(value: number): number {
  if (value < ONE_BYTE_BELOW) return 1
  if (value < 8_192) return 2
  if (value < 1_048_576) return 3
  return value < 134_217_728 ? 4 : 5
}

/** Writes the zigzag form of a number that is not negative. */
function putVarint(out: Uint8Array, at: number, value: number): number {
  if (value < ONE_BYTE_BELOW) {
    out[at] = value << 1
    return at + 1
  }
  if (value < 8_192) {
    const zigzag = value << 1
    out[at] = zigzag | 0x80
    out[at + 1] = zigzag >>> 7
    return at + 2
  }
  let position = at
  let rest = (value << 1) >>> 0
  while (rest >= 0x80) {
    out[position] = rest | 0x80
    rest >>>= 7
    position += 1
  }
  out[position] = rest
  return position + 1
}

const zigzag = (value: number): number => (value >= 0 ? value * 2 : value * -2 - 1)

function varlongBytes(value: number): number {
  let rest = zigzag(value)
  let bytes = 1
  while (rest >= 0x80) {
    rest = Math.floor(rest / 0x80)
    bytes += 1
  }
  return bytes
}

/** A number below 2^53 either way. */
function putVarlong(out: Uint8Array, at: number, value: number): number {
  let rest = zigzag(value)
  let position = at
  while (rest >= 0x80) {
    out[position] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
    position += 1
  }
  out[position] = rest
  return position + 1
}
