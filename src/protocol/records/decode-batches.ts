// Owns reading of v2 record batches from a byte range: a fetch answer, a piece of a log. Records are decoded when asked for.
// Never copies keys or values: they are views. Invariant: a batch is handed out only after its length, magic and CRC were checked.
import { KafkaError } from '../kafka-error.ts'
import { Reader } from '../schema/reader.ts'
import { type BatchCodec, Compression, type CompressionName, compressionName } from './batch-codec.ts'
import {
  ATTRIBUTES_POSITION,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  type BatchHeader,
  COMPRESSION_MASK,
  CONTROL_BIT,
  LOG_APPEND_TIME_BIT,
  readBatchHeader,
  TRANSACTIONAL_BIT,
} from './batch-header.ts'
import type { RecordHeader } from './encode-batch.ts'

/** A batch that unpacks to more than this is refused. */
export const UNPACKED_BYTES_MAX = 128 * 1024 * 1024
/** Fewest bytes of a record: length, attributes, two deltas, key length, value length, header count. */
const RECORD_BYTES_MIN = 7

export interface DecodeOptions {
  /** Default true. */
  readonly verifyCrc?: boolean
  /** What to do with an incomplete batch at the end: a broker may cut one off at the byte limit. Default 'stop'. */
  readonly incompleteTail?: 'stop' | 'refuse'
  readonly unpackedBytesMax?: number
}

/** One record; key, value and header values are views of the (unpacked) batch. */
export class RecordView {
  readonly offset: bigint
  readonly timestamp: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  private readonly headerBytes: Reader
  private headerList: readonly RecordHeader[] | undefined

  constructor(
    offset: bigint,
    timestamp: bigint,
    body: { readonly key: Buffer | null; readonly value: Buffer | null; readonly headers: Reader },
  ) {
    this.offset = offset
    this.timestamp = timestamp
    this.key = body.key
    this.value = body.value
    this.headerBytes = body.headers
  }

  /** Decoded on first use. */
  get headers(): readonly RecordHeader[] {
    this.headerList ??= readHeaders(this.headerBytes)
    return this.headerList
  }
}

export class RecordBatch {
  readonly header: BatchHeader
  /** The whole batch, header included. */
  readonly bytes: Buffer
  private readonly codec: BatchCodec
  private readonly unpackedBytesMax: number

  constructor(header: BatchHeader, bytes: Buffer, codec: BatchCodec, unpackedBytesMax: number) {
    this.header = header
    this.bytes = bytes
    this.codec = codec
    this.unpackedBytesMax = unpackedBytesMax
  }

  get baseOffset(): bigint {
    return this.header.baseOffset
  }
  get lastOffset(): bigint {
    return this.header.baseOffset + BigInt(this.header.lastOffsetDelta)
  }
  get isControl(): boolean {
    return (this.header.attributes & CONTROL_BIT) !== 0
  }
  get isTransactional(): boolean {
    return (this.header.attributes & TRANSACTIONAL_BIT) !== 0
  }
  get isLogAppendTime(): boolean {
    return (this.header.attributes & LOG_APPEND_TIME_BIT) !== 0
  }
  get compression(): CompressionName {
    const name = compressionName(this.header.attributes & COMPRESSION_MASK)
    if (name === undefined) throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE')
    return name
  }

  /** Unpacks the batch and walks its records in order. */
  *records(): Generator<RecordView, void, undefined> {
    const { recordCount, baseOffset, baseTimestamp, maxTimestamp } = this.header
    const reader = new Reader(this.unpacked())
    if (recordCount < 0 || recordCount * RECORD_BYTES_MIN > reader.remaining) {
      throw new KafkaError('INVALID_RECORD', `${recordCount} records cannot be in ${reader.remaining} bytes`)
    }
    const appendTime = this.isLogAppendTime ? maxTimestamp : undefined
    for (let index = 0; index < recordCount; index += 1) yield readRecord(reader, baseOffset, baseTimestamp, appendTime)
    if (reader.remaining !== 0)
      throw new KafkaError('INVALID_RECORD', `${reader.remaining} bytes after the last record`)
  }

  private unpacked(): Buffer {
    const packed = this.bytes.subarray(BATCH_HEADER_BYTES)
    const codec = Compression[this.compression]
    if (codec === Compression.none) return packed
    try {
      return this.codec.decompress(codec, packed, this.unpackedBytesMax)
    } catch (cause) {
      throw new KafkaError('CORRUPT_MESSAGE', `batch at offset ${this.baseOffset} cannot be unpacked`, { cause })
    }
  }
}

/** Walks the consecutive batches of `buffer`. */
export function* decodeBatches(
  buffer: Buffer,
  codec: BatchCodec,
  options: DecodeOptions = {},
): Generator<RecordBatch, void, undefined> {
  const unpackedBytesMax = options.unpackedBytesMax ?? UNPACKED_BYTES_MAX
  let start = 0
  while (start < buffer.length) {
    const size = batchBytesAt(buffer, start)
    if (size === undefined || start + size > buffer.length) {
      if (options.incompleteTail === 'refuse') {
        throw new KafkaError('CORRUPT_MESSAGE', `batch at byte ${start} is cut off at ${buffer.length}`)
      }
      return
    }
    const bytes = buffer.subarray(start, start + size)
    const header = readBatchHeader(bytes, 0)
    if (options.verifyCrc !== false) {
      const crc = codec.crc32c(bytes.subarray(ATTRIBUTES_POSITION))
      if (crc !== header.crc) {
        throw new KafkaError(
          'CORRUPT_MESSAGE',
          `batch at offset ${header.baseOffset} has CRC ${crc}, not ${header.crc}`,
        )
      }
    }
    yield new RecordBatch(header, bytes, codec, unpackedBytesMax)
    start += size
  }
}

/** Size of the batch at `start`, undefined when too little is there to tell. */
function batchBytesAt(buffer: Buffer, start: number): number | undefined {
  if (buffer.length - start < BATCH_PREFIX_BYTES) return undefined
  const size = buffer.readInt32BE(start + 8) + BATCH_PREFIX_BYTES
  // Older formats have shorter headers: look at the magic before calling the length wrong.
  if (buffer.length - start > 16) {
    const magic = buffer.readInt8(start + 16)
    if (magic === 0 || magic === 1) {
      throw new KafkaError('UNSUPPORTED_FOR_MESSAGE_FORMAT', `messages of format ${magic} are not supported`)
    }
  }
  if (size < BATCH_HEADER_BYTES) throw new KafkaError('CORRUPT_MESSAGE', `batch of ${size} bytes at byte ${start}`)
  return size
}

function readRecord(reader: Reader, baseOffset: bigint, baseTimestamp: bigint, appendTime?: bigint): RecordView {
  try {
    const length = reader.varint()
    if (length < 0) throw new KafkaError('INVALID_RECORD', `record of ${length} bytes`)
    const start = reader.advance(length)
    const body = new Reader(reader.buffer, start, start + length)
    body.int8() // attributes, unused
    const timestamp = baseTimestamp + body.varlong()
    const offset = baseOffset + BigInt(body.varint())
    const key = readNullableBytes(body)
    const value = readNullableBytes(body)
    return new RecordView(offset, appendTime ?? timestamp, { key, value, headers: body })
  } catch (cause) {
    throw asInvalidRecord(cause)
  }
}

function readHeaders(reader: Reader): readonly RecordHeader[] {
  try {
    const count = reader.varint()
    if (count < 0 || count * 2 > reader.remaining) throw new KafkaError('INVALID_RECORD', `${count} record headers`)
    const headers: RecordHeader[] = []
    for (let index = 0; index < count; index += 1) {
      const keyLength = reader.varint()
      if (keyLength < 0) throw new KafkaError('INVALID_RECORD', 'null header key')
      // Header keys are opaque to brokers and may hold any bytes.
      const key = reader.view(keyLength).toString('utf8')
      headers.push({ key, value: readNullableBytes(reader) })
    }
    if (reader.remaining !== 0) throw new KafkaError('INVALID_RECORD', `${reader.remaining} bytes after the headers`)
    return headers
  } catch (cause) {
    throw asInvalidRecord(cause)
  }
}

function readNullableBytes(reader: Reader): Buffer | null {
  const length = reader.varint()
  if (length < -1) throw new KafkaError('INVALID_RECORD', `length ${length} in a record`)
  return length === -1 ? null : reader.view(length)
}

function asInvalidRecord(cause: unknown): KafkaError {
  if (cause instanceof KafkaError && cause.code === 'INVALID_RECORD') return cause
  return new KafkaError('INVALID_RECORD', cause instanceof Error ? cause.message : undefined, { cause })
}
