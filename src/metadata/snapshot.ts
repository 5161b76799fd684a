// Owns the content of a metadata snapshot, in Kafka's format (KIP-630): consecutive v2 batches with offsets from 0,
//   control batch: SnapshotHeader, and under kraft.version 1 KRaftVersion and KRaftVoters   data batches: the records of the image   control batch: SnapshotFooter
// all with the epoch of the snapshot id. Invariant: one without a footer is not finished and is not read.
import { assert } from '#host'
import {
  type BatchCodec,
  type ControlRecordInput,
  decodeBatches,
  decodeControlRecord,
  encodeBatch,
  encodeControlRecord,
  KafkaError,
  type MetadataRecord,
  metadataRecords,
  type RecordBatch,
  type RecordInput,
} from '#protocol'
import { imageRecords } from './image-records.ts'
import { replayBatch } from './metadata-batches.ts'
import { MetadataDelta } from './metadata-delta.ts'
import type { QuorumImage } from './images.ts'
import { MetadataImage } from './metadata-image.ts'
import type { SnapshotId } from './snapshot-id.ts'

/** A batch is closed when its values reach this size: small enough for every reader's limits. */
const BATCH_BYTES = 512 * 1024

export interface SnapshotOptions {
  readonly codec: BatchCodec
  /** Timestamp of the last batch in the snapshot, milliseconds since 1970. */
  readonly lastContainedLogTimestampMs: number
}

export function encodeSnapshot(image: MetadataImage, options: SnapshotOptions): Buffer {
  const { codec } = options
  const timestamp = BigInt(options.lastContainedLogTimestampMs)
  const batches: Buffer[] = []
  let nextOffset = 0n
  const close = (records: readonly RecordInput[], isControl: boolean): void => {
    batches.push(encodeBatch({ records, baseOffset: nextOffset, partitionLeaderEpoch: image.epoch, isControl }, codec))
    nextOffset += BigInt(records.length)
  }
  const control = (records: readonly ControlRecordInput[]): void =>
    close(
      records.map(record => ({ ...encodeControlRecord(record), timestamp })),
      true,
    )

  control([
    { type: 'SnapshotHeader', version: 0, lastContainedLogTimestamp: timestamp },
    ...quorumRecords(image.quorum),
  ])
  let open: RecordInput[] = []
  let openBytes = 0
  for (const record of imageRecords(image)) {
    const value = metadataRecords.encode(record)
    open.push({ value, timestamp })
    openBytes += value.length
    if (openBytes < BATCH_BYTES) continue
    close(open, false)
    open = []
    openBytes = 0
  }
  if (open.length > 0) close(open, false)
  control([{ type: 'SnapshotFooter', version: 0 }])
  return Buffer.concat(batches)
}

/** Without voters in the log they are a setting, and so is the version. */
function quorumRecords({ kraftVersion, voters }: QuorumImage): readonly ControlRecordInput[] {
  if (kraftVersion === 0) return []
  const version: ControlRecordInput = { type: 'KRaftVersion', version: 0, kRaftVersion: kraftVersion }
  return voters === null ? [version] : [version, { type: 'KRaftVoters', version: 0, voters }]
}

/** Throws CORRUPT_MESSAGE for anything that is not a whole snapshot. */
export function decodeSnapshot(id: SnapshotId, bytes: Buffer, codec: BatchCodec): MetadataImage {
  const delta = new MetadataDelta(MetadataImage.empty)
  for (const batch of snapshotBatches(id, bytes, codec)) replayBatch(delta, batch)
  return delta.apply({ offset: id.endOffset - 1n, epoch: id.epoch })
}

/** The records of `bootstrap.checkpoint`, with which a formatted cluster is to begin; a snapshot in form. */
export function decodeBootstrap(bytes: Buffer, codec: BatchCodec): readonly MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const batch of snapshotBatches({ endOffset: 0n, epoch: 0 }, bytes, codec)) {
    if (batch.isControl) continue
    for (const { value } of batch.records()) {
      assert(value !== null, 'a metadata record has a value')
      records.push(metadataRecords.decode(value))
    }
  }
  return records
}

function* snapshotBatches(id: SnapshotId, bytes: Buffer, codec: BatchCodec): Generator<RecordBatch> {
  let first = true
  let finished = false
  for (const batch of decodeBatches(bytes, codec, { incompleteTail: 'refuse' })) {
    if (finished) throw corrupt(id, 'there is a batch after the footer')
    if (batch.isControl) {
      for (const record of batch.records()) {
        const { type } = decodeControlRecord(record)
        if ((type === 'SnapshotHeader') !== first) throw corrupt(id, 'the header is not the first record')
        first = false
        if (type === 'SnapshotFooter') finished = true
      }
    } else if (first) {
      throw corrupt(id, 'it begins without a header')
    }
    yield batch
  }
  if (!finished) throw corrupt(id, 'it has no footer')
}

function corrupt(id: SnapshotId, why: string): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `the metadata snapshot at ${id.endOffset} cannot be read: ${why}`)
}
