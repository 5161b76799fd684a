// Owns reading the files of a log directory for people: each as a series of rows, a row a batch, a record, an entry or a line of text.
// Never judges what it reads (`log verify` does), and never reads more of a segment at once than it needs.
// The forms are those of docs/formats/log-directory.md.
import { isUtf8 } from 'node:buffer'
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { nativeBatchCodec } from '#native'
import {
  BATCH_HEADER_BYTES,
  decodeBatches,
  decodeControlRecord,
  metadataRecords,
  type RecordBatch,
  type RecordView,
} from '#protocol'

/** A row as JSON prints it; integers beyond 2^53 are strings, bytes that are no text are `{ base64 }`. */
export type Row = Readonly<Record<string, unknown>>

export interface ReadOptions {
  readonly records: boolean
  /** Values are metadata records. */
  readonly metadata: boolean
}

const PIECE_BYTES = 4 * 1024 * 1024
/** Where a batch's length field ends: the length counts from here. */
const BATCH_LENGTH_END = 12
const METADATA_DIRECTORY = '__cluster_metadata-0'
const OFFSET_ENTRY_BYTES = 8
const TIME_ENTRY_BYTES = 12
const TXN_ENTRY_BYTES = 34
const SNAPSHOT_HEADER_BYTES = 10
const SNAPSHOT_ENTRY_BYTES = 46

/** The rows of a file, or null for one that is none of a log directory's. Throws when the file is not what its name says. */
export function rowsOf(path: string, options: ReadOptions): Iterable<Row> | null {
  const name = basename(path)
  if (/\.(log|checkpoint)$/.test(name)) {
    const isMetadata = name.endsWith('.checkpoint') || basename(dirname(path)) === METADATA_DIRECTORY
    return batchRows(path, { ...options, metadata: options.metadata || isMetadata })
  }
  if (name.endsWith('.index')) return entries(path, OFFSET_ENTRY_BYTES, offsetEntry)
  if (name.endsWith('.timeindex')) return entries(path, TIME_ENTRY_BYTES, timeEntry)
  if (name.endsWith('.txnindex')) return entries(path, TXN_ENTRY_BYTES, transactionEntry)
  if (name.endsWith('.snapshot')) return snapshotRows(path)
  if (/-checkpoint$|^(partition\.metadata|meta\.properties|quorum-state|\.kafka_cleanshutdown)$/.test(name)) {
    return textRows(path)
  }
  return null
}

function* batchRows(path: string, { records, metadata }: ReadOptions): Generator<Row> {
  for (const { position, batch } of batchesOf(path)) {
    yield batchRow(batch, position)
    if (!records) continue
    for (const record of batch.records()) yield recordRow(record, batch.isControl, metadata)
  }
}

function* batchesOf(path: string): Generator<{ readonly position: number; readonly batch: RecordBatch }> {
  const file = openSync(path, 'r')
  try {
    const sizeBytes = fstatSync(file).size
    let position = 0
    let wanted = PIECE_BYTES
    while (position < sizeBytes) {
      const piece = Buffer.allocUnsafe(Math.min(wanted, sizeBytes - position))
      const bytes = piece.subarray(0, readSync(file, piece, 0, piece.length, position))
      const before = position
      for (const batch of decodeBatches(bytes, nativeBatchCodec)) {
        yield { position, batch }
        position += batch.bytes.length
      }
      if (position > before) {
        wanted = PIECE_BYTES
        continue
      }
      wanted = bytes.length < BATCH_HEADER_BYTES ? 0 : bytes.readInt32BE(8) + BATCH_LENGTH_END
      if (wanted <= bytes.length || position + wanted > sizeBytes) {
        throw new Error(`no whole batch at byte ${position}; ${sizeBytes - position} bytes are left`)
      }
    }
  } finally {
    closeSync(file)
  }
}

function batchRow(batch: RecordBatch, position: number): Row {
  const { header } = batch
  return {
    kind: 'batch',
    baseOffset: integer(batch.baseOffset),
    lastOffset: integer(batch.lastOffset),
    count: header.recordCount,
    position,
    sizeBytes: batch.bytes.length,
    leaderEpoch: header.partitionLeaderEpoch,
    timestamp: integer(header.maxTimestamp),
    timestampType: batch.isLogAppendTime ? 'LogAppendTime' : 'CreateTime',
    compression: batch.compression,
    producerId: integer(header.producerId),
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    isTransactional: batch.isTransactional,
    isControl: batch.isControl,
    crc: header.crc,
  }
}

function recordRow(record: RecordView, isControl: boolean, isMetadata: boolean): Row {
  const { offset, timestamp, key, value, headers } = record
  const row = { kind: 'record', offset: integer(offset), timestamp: integer(timestamp) }
  if (isControl) return { ...row, control: plain(decodeControlRecord(record)) }
  if (isMetadata && value !== null) return { ...row, metadata: metadataRow(value) }
  return {
    ...row,
    key: bytesOf(key),
    value: bytesOf(value),
    headers: headers.map(header => ({ key: header.key, value: bytesOf(header.value) })),
  }
}

/** A record of a later version is printed as its bytes: one that is not known must not hide the others. */
function metadataRow(value: Buffer): unknown {
  try {
    return plain(metadataRecords.decode(value))
  } catch (error) {
    return { unknown: (error as Error).message, base64: value.toString('base64') }
  }
}

function* entries(path: string, entryBytes: number, decode: (bytes: Buffer, base: bigint) => Row): Generator<Row> {
  const bytes = readFileSync(path)
  const base = BigInt(basename(path).slice(0, basename(path).indexOf('.')))
  const used = usedBytes(bytes, entryBytes)
  for (let at = 0; at < used; at += entryBytes) yield decode(bytes.subarray(at, at + entryBytes), base)
  if (bytes.length % entryBytes !== 0) {
    throw new Error(`${bytes.length} bytes are no whole number of ${entryBytes}-byte entries`)
  }
}

/** Kafka reserves space for an index in use and fills it with zeros. */
function usedBytes(bytes: Buffer, entryBytes: number): number {
  let used = bytes.length - (bytes.length % entryBytes)
  while (used > 0 && bytes.subarray(used - entryBytes, used).every(byte => byte === 0)) used -= entryBytes
  return used
}

function offsetEntry(bytes: Buffer, base: bigint): Row {
  return { kind: 'index', offset: integer(base + BigInt(bytes.readInt32BE(0))), position: bytes.readInt32BE(4) }
}

function timeEntry(bytes: Buffer, base: bigint): Row {
  return {
    kind: 'timeindex',
    timestamp: integer(bytes.readBigInt64BE(0)),
    offset: integer(base + BigInt(bytes.readInt32BE(8))),
  }
}

function transactionEntry(bytes: Buffer): Row {
  return {
    kind: 'txnindex',
    version: bytes.readInt16BE(0),
    producerId: integer(bytes.readBigInt64BE(2)),
    firstOffset: integer(bytes.readBigInt64BE(10)),
    lastOffset: integer(bytes.readBigInt64BE(18)),
    lastStableOffset: integer(bytes.readBigInt64BE(26)),
  }
}

function* snapshotRows(path: string): Generator<Row> {
  const bytes = readFileSync(path)
  if (bytes.length < SNAPSHOT_HEADER_BYTES) throw new Error(`${bytes.length} bytes are no producer snapshot`)
  const crc = bytes.readUInt32BE(2)
  const isWhole = nativeBatchCodec.crc32c(bytes.subarray(6)) === crc
  yield { kind: 'snapshot', version: bytes.readInt16BE(0), crc, isWhole, entries: bytes.readInt32BE(6) }
  for (let at = SNAPSHOT_HEADER_BYTES; at + SNAPSHOT_ENTRY_BYTES <= bytes.length; at += SNAPSHOT_ENTRY_BYTES) {
    yield {
      kind: 'producer',
      producerId: integer(bytes.readBigInt64BE(at)),
      producerEpoch: bytes.readInt16BE(at + 8),
      lastSequence: bytes.readInt32BE(at + 10),
      lastOffset: integer(bytes.readBigInt64BE(at + 14)),
      offsetDelta: bytes.readInt32BE(at + 22),
      timestamp: integer(bytes.readBigInt64BE(at + 26)),
      coordinatorEpoch: bytes.readInt32BE(at + 34),
      currentTransactionFirstOffset: integer(bytes.readBigInt64BE(at + 38)),
    }
  }
  if (!isWhole) throw new Error('its checksum is wrong')
}

function* textRows(path: string): Generator<Row> {
  const bytes = readFileSync(path)
  if (!isUtf8(bytes)) throw new Error('it is not text')
  for (const text of bytes.toString('utf8').split(/\r?\n/)) if (text !== '') yield { kind: 'text', text }
}

function integer(value: bigint): number | string {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value.toString()
}

function bytesOf(bytes: Buffer | null): unknown {
  if (bytes === null) return null
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}

/** Decoded messages hold bigints and buffers, which JSON has not. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return integer(value)
  if (Buffer.isBuffer(value)) return { base64: value.toString('base64') }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]))
}
