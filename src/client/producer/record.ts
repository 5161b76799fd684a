// Owns what a user hands to the producer and what comes back, and the checks at that door. Never encodes.
// Invariant: a checked record has Buffers for bytes, a timestamp, and a size estimate that is never below its encoded size.
import { KafkaError } from '../network/kafka-errors.ts'

export type Bytes = Buffer | Uint8Array | string

export interface RecordHeader {
  readonly key: string
  readonly value: Bytes | null
}

export interface ProducerRecord {
  readonly topic: string
  /** Chosen by the key's hash, or by stickiness without a key, unless given. */
  readonly partition?: number
  readonly key?: Bytes | null
  /** null is a tombstone on a compacted topic. */
  readonly value: Bytes | null
  /** Order and duplicates are kept. An object is a shorthand for headers with one value each. */
  readonly headers?: readonly RecordHeader[] | Readonly<Record<string, Bytes | null>>
  /** Milliseconds since 1970; now, unless given. */
  readonly timestamp?: bigint | number
}

/** Where a record ended up. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  /** -1n when the broker does not tell: acks=0, or a duplicate it had already stored. */
  readonly offset: bigint
  /** The record's own, or the broker's where the topic says LogAppendTime. */
  readonly timestamp: bigint
}

export interface EncodableHeader {
  readonly key: string
  readonly value: Buffer | null
}

export interface CheckedRecord {
  readonly topic: string
  readonly partition: number | null
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly EncodableHeader[]
  readonly timestamp: bigint
  readonly sizeBytes: number
}

/** Length, attributes, timestamp delta, offset delta, key length, value length, header count: five varints of at most 5, one of 10, a byte. */
const RECORD_OVERHEAD_BYTES_MAX = 36
/** Two lengths of at most 5 bytes. */
const HEADER_OVERHEAD_BYTES_MAX = 10
const TOPIC_NAME_LENGTH_MAX = 249
const NO_HEADERS: readonly EncodableHeader[] = Object.freeze([])

/** The last name found legal: records come in runs of one topic, and the pattern costs more than the rest of the checks. */
let legalTopic = ''

export function checkRecord(record: ProducerRecord, nowMs: bigint): CheckedRecord {
  if (record.topic !== legalTopic) {
    checkTopicName(record.topic)
    legalTopic = record.topic
  }
  const key = toBuffer(record.key ?? null)
  const value = toBuffer(record.value ?? null)
  const headers = record.headers === undefined ? NO_HEADERS : checkHeaders(record.headers)
  const { partition = null } = record
  if (partition !== null && (!Number.isInteger(partition) || partition < 0)) {
    throw new KafkaError('INVALID_REQUEST', `partition must be a whole number from 0, not ${partition}`)
  }
  let sizeBytes = RECORD_OVERHEAD_BYTES_MAX + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers)
    sizeBytes += HEADER_OVERHEAD_BYTES_MAX + header.key.length * 3 + (header.value?.length ?? 0)
  return {
    topic: record.topic,
    partition,
    key,
    value,
    headers,
    timestamp: checkTimestamp(record.timestamp, nowMs),
    sizeBytes,
  }
}

/** Kafka's rule, checked here so that a typo fails at once instead of after the metadata timeout. */
export function checkTopicName(topic: string): void {
  const isLegal = typeof topic === 'string' && /^[a-zA-Z0-9._-]+$/.test(topic) && topic !== '.' && topic !== '..'
  if (!isLegal || topic.length > TOPIC_NAME_LENGTH_MAX) {
    throw new KafkaError(
      'INVALID_TOPIC_EXCEPTION',
      `'${topic}' is no topic name: 1 to ${TOPIC_NAME_LENGTH_MAX} of letters, digits, '.', '_' and '-', and not '.' or '..'`,
    )
  }
}

function checkTimestamp(timestamp: bigint | number | undefined, nowMs: bigint): bigint {
  if (timestamp === undefined) return nowMs
  if (typeof timestamp === 'number' && !Number.isSafeInteger(timestamp)) {
    throw new KafkaError('INVALID_TIMESTAMP', `timestamp must be whole milliseconds, not ${timestamp}`)
  }
  if (timestamp < 0) throw new KafkaError('INVALID_TIMESTAMP', `timestamp must not be negative, but is ${timestamp}`)
  return BigInt(timestamp)
}

function checkHeaders(
  headers: readonly RecordHeader[] | Readonly<Record<string, Bytes | null>>,
): readonly EncodableHeader[] {
  if (Array.isArray(headers)) {
    return (headers as readonly RecordHeader[]).map(({ key, value }) => ({ key, value: toBuffer(value) }))
  }
  return Object.entries(headers as Readonly<Record<string, Bytes | null>>).map(([key, value]) => ({
    key,
    value: toBuffer(value),
  }))
}

function toBuffer(bytes: Bytes | null): Buffer | null {
  if (bytes === null) return null
  if (bytes instanceof Buffer) return bytes
  if (typeof bytes === 'string') return Buffer.from(bytes, 'utf8')
  if (bytes instanceof Uint8Array) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  throw new KafkaError(
    'INVALID_REQUEST',
    `keys, values and header values are Buffers, strings or null, not ${typeof bytes}`,
  )
}
