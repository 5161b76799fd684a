// Owns building of one v2 record batch. Never assigns offsets or epochs beyond what the caller gives: the log stamps them.
// A record is: varint bodyLength, i8 attributes = 0, varlong timestampDelta, varint offsetDelta, varint keyLength (-1 null), key,
// varint valueLength (-1 null), value, varint headerCount, each header: varint keyLength, key, varint valueLength, value.
import { encodeWith } from '../codec.ts'
import { KafkaError } from '../kafka-error.ts'
import type { Writer } from '../schema/writer.ts'
import { type BatchCodec, Compression, type CompressionName } from './batch-codec.ts'
import {
  ATTRIBUTES_POSITION,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  CONTROL_BIT,
  CRC_POSITION,
  LOG_APPEND_TIME_BIT,
  MAGIC_V2,
  TRANSACTIONAL_BIT,
  writeBatchHeader,
} from './batch-header.ts'

export interface RecordHeader {
  readonly key: string
  readonly value: Buffer | null
}

export interface RecordInput {
  readonly key?: Buffer | null
  readonly value?: Buffer | null
  /** Milliseconds since 1970; default: the timestamp of the batch's first record, or -1 when that has none. */
  readonly timestamp?: bigint
  readonly headers?: readonly RecordHeader[]
}

export interface BatchInput {
  /** At least one. */
  readonly records: readonly RecordInput[]
  readonly baseOffset?: bigint
  readonly partitionLeaderEpoch?: number
  readonly compression?: CompressionName
  readonly compressionLevel?: number
  readonly timestampType?: 'CreateTime' | 'LogAppendTime'
  readonly producerId?: bigint
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
}

const BLANK_HEADER = Buffer.alloc(BATCH_HEADER_BYTES)

export function encodeBatch(input: BatchInput, codec: BatchCodec): Buffer {
  const { records } = input
  const first = records[0]
  if (first === undefined) throw new KafkaError('INVALID_RECORD', 'a record batch holds at least one record')
  const baseTimestamp = first.timestamp ?? -1n
  let maxTimestamp = baseTimestamp
  const compression = Compression[input.compression ?? 'none']

  const batch = encodeWith(writer => {
    writer.raw(BLANK_HEADER)
    for (let index = 0; index < records.length; index += 1) {
      const record = records[index] as RecordInput
      const timestamp = record.timestamp ?? baseTimestamp
      if (timestamp > maxTimestamp) maxTimestamp = timestamp
      writeRecord(writer, record, timestamp - baseTimestamp, index)
    }
    if (compression !== Compression.none) {
      const packed = codec.compress(compression, input.compressionLevel ?? -1, writer.written(BATCH_HEADER_BYTES))
      writer.position = BATCH_HEADER_BYTES
      writer.raw(packed)
    }
  })
  writeBatchHeader(batch, 0, {
    baseOffset: input.baseOffset ?? 0n,
    batchLength: batch.length - BATCH_PREFIX_BYTES,
    partitionLeaderEpoch: input.partitionLeaderEpoch ?? -1,
    magic: MAGIC_V2,
    crc: 0,
    attributes:
      compression |
      (input.timestampType === 'LogAppendTime' ? LOG_APPEND_TIME_BIT : 0) |
      (input.isTransactional === true ? TRANSACTIONAL_BIT : 0) |
      (input.isControl === true ? CONTROL_BIT : 0),
    lastOffsetDelta: records.length - 1,
    baseTimestamp,
    maxTimestamp,
    producerId: input.producerId ?? -1n,
    producerEpoch: input.producerEpoch ?? -1,
    baseSequence: input.baseSequence ?? -1,
    recordCount: records.length,
  })
  batch.writeUInt32BE(codec.crc32c(batch.subarray(ATTRIBUTES_POSITION)), CRC_POSITION)
  return batch
}

/** Bytes a record will take in an uncompressed batch whose base timestamp and offset are given by the deltas. */
export function recordBytes(record: RecordInput, timestampDelta: bigint, offsetDelta: number): number {
  const body = recordBodyBytes(record, timestampDelta, offsetDelta)
  return varintBytes(body) + body
}

function writeRecord(writer: Writer, record: RecordInput, timestampDelta: bigint, offsetDelta: number): void {
  writer.varint(recordBodyBytes(record, timestampDelta, offsetDelta))
  writer.int8(0)
  writer.varlong(timestampDelta)
  writer.varint(offsetDelta)
  writeNullableBytes(writer, record.key ?? null)
  writeNullableBytes(writer, record.value ?? null)
  const headers = record.headers
  if (headers === undefined) {
    writer.varint(0)
    return
  }
  writer.varint(headers.length)
  for (const header of headers) {
    writeNullableBytes(writer, Buffer.from(header.key))
    writeNullableBytes(writer, header.value)
  }
}

function writeNullableBytes(writer: Writer, bytes: Buffer | null): void {
  if (bytes === null) {
    writer.varint(-1)
    return
  }
  writer.varint(bytes.length)
  writer.raw(bytes)
}

function recordBodyBytes(record: RecordInput, timestampDelta: bigint, offsetDelta: number): number {
  const { headers } = record
  let size = 1 + varlongBytes(timestampDelta) + varintBytes(offsetDelta)
  size += nullableBytesSize(record.key ?? null) + nullableBytesSize(record.value ?? null)
  size += varintBytes(headers === undefined ? 0 : headers.length)
  if (headers === undefined) return size
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key)
    size += varintBytes(keyBytes) + keyBytes + nullableBytesSize(header.value)
  }
  return size
}

function nullableBytesSize(bytes: Buffer | null): number {
  return bytes === null ? 1 : varintBytes(bytes.length) + bytes.length
}

function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  if (zigzag < 0x80) return 1
  if (zigzag < 0x4000) return 2
  if (zigzag < 0x200000) return 3
  return zigzag < 0x10000000 ? 4 : 5
}

function varlongBytes(value: bigint): number {
  if (value >= -0x40000000n && value < 0x40000000n) return varintBytes(Number(value))
  let zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  let count = 1
  while (zigzag >= 0x80n) {
    zigzag >>= 7n
    count += 1
  }
  return count
}
