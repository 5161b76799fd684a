// Owns turning fetched bytes into records: CRC checked, decompressed, aborted transactions and markers left out, offsets before the
// position skipped. Never fetches. Invariant: what it yields ascends in offset and lies in [position, end of the chunk).
import {
  type BatchCodec,
  BATCH_HEADER_BYTES,
  decodeBatches,
  decodeControlRecord,
  KafkaError,
  type RecordBatch,
  type RecordHeader,
} from '#protocol'
import type { FetchedChunk } from './partition-states.ts'

export interface ConsumerRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestamp: bigint
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly leaderEpoch: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** One decoded batch; `nextOffset` is where reading goes on once its records are consumed, also when it has none. */
export interface DecodedBatch {
  readonly records: readonly ConsumerRecord[]
  readonly nextOffset: bigint
}

// Where a v2 batch keeps what has to be known before it is decoded: base offset int64 at 0, length int32, ..., magic int8, ...,
// last offset delta int32.
const LENGTH_AT = 8
const PREFIX_BYTES = 12
const MAGIC_AT = 16
const LAST_OFFSET_DELTA_AT = 23
const MAGIC_V2 = 2

/** The whole batches of an answer and the offset after the last of them, without decoding any; null when there is none. */
export function wholeBatches(bytes: Buffer): { readonly nextOffset: bigint; readonly bytes: Buffer } | null {
  let at = 0
  let nextOffset: bigint | null = null
  while (bytes.length - at >= BATCH_HEADER_BYTES) {
    const magic = bytes.readInt8(at + MAGIC_AT)
    if (magic !== MAGIC_V2)
      throw new KafkaError(
        'UNSUPPORTED_FOR_MESSAGE_FORMAT',
        `records of format ${magic} are not supported, only ${MAGIC_V2}`,
      )
    const sizeBytes = PREFIX_BYTES + bytes.readInt32BE(at + LENGTH_AT)
    if (sizeBytes < BATCH_HEADER_BYTES)
      throw new KafkaError('CORRUPT_MESSAGE', `a batch that says it has ${sizeBytes} bytes`)
    // A broker may cut the last batch off at the byte limit.
    if (at + sizeBytes > bytes.length) break
    nextOffset = bytes.readBigInt64BE(at) + BigInt(bytes.readInt32BE(at + LAST_OFFSET_DELTA_AT)) + 1n
    at += sizeBytes
  }
  return nextOffset === null ? null : { nextOffset, bytes: bytes.subarray(0, at) }
}

export interface ChunkSource {
  readonly topic: string
  readonly partition: number
  readonly position: bigint
  /** Records from here on are left out; null reads all. */
  readonly endOffset: bigint | null
}

/** Batch by batch, so that no more than one is unpacked at a time. */
export function* decodeChunk(
  source: ChunkSource,
  chunk: FetchedChunk,
  codec: BatchCodec,
  verifyCrc: boolean,
): Generator<DecodedBatch> {
  const aborted = [...chunk.abortedTransactions].sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  const abortedNow = new Set<bigint>()
  for (const batch of decodeBatches(chunk.bytes, codec, { verifyCrc })) {
    const { producerId } = batch.header
    while (aborted[0] && aborted[0].firstOffset <= batch.lastOffset)
      abortedNow.add((aborted.shift() as { producerId: bigint }).producerId)
    const nextOffset = batch.lastOffset + 1n
    if (batch.isControl) {
      if (isAbortMarker(batch)) abortedNow.delete(producerId)
      yield { records: [], nextOffset }
    } else if (batch.isTransactional && abortedNow.has(producerId)) yield { records: [], nextOffset }
    else yield { records: recordsFrom(source, batch), nextOffset }
  }
}

function recordsFrom(
  { topic, partition, position, endOffset }: ChunkSource,
  batch: RecordBatch,
): readonly ConsumerRecord[] {
  const timestampType = batch.isLogAppendTime ? 'LogAppendTime' : 'CreateTime'
  const leaderEpoch = batch.header.partitionLeaderEpoch
  const records: ConsumerRecord[] = []
  for (const view of batch.records()) {
    // A fetch starts at the batch that holds the offset, which may begin before it.
    if (view.offset < position) continue
    if (endOffset !== null && view.offset >= endOffset) break
    records.push(new FetchedRecord({ topic, partition, timestampType, leaderEpoch }, view))
  }
  return records
}

type Common = Pick<ConsumerRecord, 'topic' | 'partition' | 'timestampType' | 'leaderEpoch'>
type View = Pick<ConsumerRecord, 'offset' | 'timestamp' | 'key' | 'value' | 'headers'>

/** Headers stay undecoded until somebody looks. */
class FetchedRecord implements ConsumerRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestamp: bigint
  readonly timestampType: ConsumerRecord['timestampType']
  readonly leaderEpoch: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly #view: View

  constructor(common: Common, view: View) {
    this.topic = common.topic
    this.partition = common.partition
    this.offset = view.offset
    this.timestamp = view.timestamp
    this.timestampType = common.timestampType
    this.leaderEpoch = common.leaderEpoch
    this.key = view.key
    this.value = view.value
    this.#view = view
  }

  get headers(): readonly RecordHeader[] {
    return this.#view.headers
  }
}

function isAbortMarker(batch: RecordBatch): boolean {
  for (const record of batch.records()) return decodeControlRecord(record).type === 'Abort'
  return false
}
