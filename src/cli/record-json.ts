// Owns the JSON form of a record, one line each: what `consume --json` prints, `produce --json` reads, so that the one piped into the
// other copies a topic. Documented in docs/guide/cli.md.
//
//   {"topic":"t","partition":0,"offset":5,"timestamp":1700000000000,"key":"k","value":"v","headers":[{"key":"h","value":"1"}]}
//
// Bytes that are not UTF-8 are {"base64":"..."}; null is null. Reading also takes headers as an object, and any other JSON value as a
// key or value stands for its own JSON text. topic and offset are ignored when reading.
import { isUtf8 } from 'node:buffer'
import type { ConsumerRecord, ProducerRecord } from '#client'

type JsonBytes = string | null | { readonly base64: string }

export function recordToJson(record: ConsumerRecord): string {
  return JSON.stringify({
    topic: record.topic,
    partition: record.partition,
    offset: integerToJson(record.offset),
    timestamp: integerToJson(record.timestamp),
    key: bytesToJson(record.key),
    value: bytesToJson(record.value),
    headers: record.headers.map(({ key, value }) => ({ key, value: bytesToJson(value) })),
  })
}

export type ParsedRecord = Omit<ProducerRecord, 'topic'>

/** Throws an Error whose message says what is wrong with the line. */
export function recordFromJson(line: string): ParsedRecord {
  const parsed: unknown = JSON.parse(line)
  if (!isObject(parsed)) throw new Error('not a JSON object')
  if (!('value' in parsed)) throw new Error('no "value"; a tombstone is "value": null')
  const { key, value, headers, partition, timestamp } = parsed
  return {
    key: key === undefined ? null : bytesFromJson(key),
    value: bytesFromJson(value),
    ...(headers === undefined || headers === null ? {} : { headers: headersFromJson(headers) }),
    ...(partition === undefined ? {} : { partition: integerFromJson('partition', partition) }),
    ...(timestamp === undefined ? {} : { timestamp: integerFromJson('timestamp', timestamp) }),
  }
}

function headersFromJson(headers: unknown): { key: string; value: Buffer | null }[] {
  if (Array.isArray(headers)) {
    return headers.map(header => {
      if (!isObject(header) || typeof header['key'] !== 'string')
        throw new Error('a header is {"key": "...", "value": ...}')
      return { key: header['key'], value: bytesFromJson(header['value'] ?? null) }
    })
  }
  if (!isObject(headers)) throw new Error('"headers" is an array or an object')
  return Object.entries(headers).map(([key, value]) => ({ key, value: bytesFromJson(value) }))
}

function bytesToJson(bytes: Buffer | null): JsonBytes {
  if (bytes === null) return null
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}

function bytesFromJson(json: unknown): Buffer | null {
  if (json === null) return null
  if (typeof json === 'string') return Buffer.from(json, 'utf8')
  if (isObject(json) && Object.keys(json).length === 1 && typeof json['base64'] === 'string')
    return Buffer.from(json['base64'], 'base64')
  return Buffer.from(JSON.stringify(json), 'utf8')
}

/** Beyond 2^53 a JSON number would lose digits, so it becomes a string. */
function integerToJson(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
    ? Number(value)
    : value.toString()
}

function integerFromJson(name: string, json: unknown): number {
  const value = typeof json === 'string' ? Number(json) : json
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new Error(`"${name}" is a whole number from 0`)
  return value as number
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
