// Owns what may be appended, and its encoding into bytes. Never writes into the arena.
import { LogError } from './log-error.ts'

/** Text is written as UTF-8. */
export type Bytes = Uint8Array | string

export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

/** A record with more than a value. Without a codec the value is bytes or text; with one, whatever the codec encodes. */
export interface RecordInput<Value = Bytes> {
  readonly key?: Bytes | null
  /** Null is a tombstone: compaction removes the key. */
  readonly value: Value | null
  readonly headers?: readonly { readonly key: string; readonly value: Bytes | null }[]
  /** Milliseconds since 1970; now, unless given. */
  readonly timestamp?: bigint | number
}

/** Turns values into bytes and back. `decode` gets bytes that are only valid during the call, unless the record was copied. */
export interface Codec<Value> {
  encode(value: Value): Uint8Array
  decode(bytes: Buffer): Value
}

/** What one record is appended from: without a codec also the bare value. */
export type AppendInput<Value> = Value extends Bytes ? Bytes | RecordInput<Bytes> : RecordInput<Value>

const text = new TextEncoder()

export function bytesOf(value: unknown, what: string): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string') return text.encode(value)
  const got = value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
  throw new LogError('INVALID_RECORD', `the ${what} of a record is a Uint8Array or a string, not ${got}`)
}

export function timestampOf(value: bigint | number): number {
  const ms = Number(value)
  if (!Number.isSafeInteger(ms) || ms < -1) {
    throw new LogError('INVALID_RECORD', `timestamp ${value} is not a whole number of milliseconds since 1970`)
  }
  return ms
}
