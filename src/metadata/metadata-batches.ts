// Owns the step from batches of the metadata log to records replayed into a delta.
// Never skips what it does not know: a record type from the future stops the node rather than being lost.
import { assert } from '#host'
import { type BatchCodec, decodeBatches, decodeControlRecord, metadataRecords, type RecordBatch } from '#protocol'
import { MetadataDelta } from './metadata-delta.ts'
import type { MetadataImage } from './metadata-image.ts'

export interface LoadedBatches {
  readonly delta: MetadataDelta
  readonly image: MetadataImage
}

export interface LoadOptions {
  readonly codec: BatchCodec
  /** Batches that reach this offset are left for later; everything when absent. */
  readonly highWatermark?: bigint
  /** Sees each batch that is replayed, in order. */
  readonly onBatch?: (batch: RecordBatch) => void
}

/** Replays the batches of a byte range of the log that come after the image. Null when nothing in it was new. */
export function loadBatches(image: MetadataImage, bytes: Buffer, options: LoadOptions): LoadedBatches | null {
  const delta = new MetadataDelta(image)
  let { offset, epoch } = image
  for (const batch of decodeBatches(bytes, options.codec)) {
    if (options.highWatermark !== undefined && batch.lastOffset >= options.highWatermark) break
    if (batch.lastOffset <= offset) continue
    assert(batch.baseOffset === offset + 1n, `the metadata log goes on at ${offset + 1n}, not at ${batch.baseOffset}`)
    assert(batch.header.partitionLeaderEpoch >= epoch, 'leader epochs of the metadata log never fall')
    replayBatch(delta, batch)
    options.onBatch?.(batch)
    offset = batch.lastOffset
    epoch = batch.header.partitionLeaderEpoch
  }
  return offset === image.offset ? null : { delta, image: delta.apply({ offset, epoch }) }
}

export function replayBatch(delta: MetadataDelta, batch: RecordBatch): void {
  if (batch.isControl) {
    for (const record of batch.records()) delta.replayControl(decodeControlRecord(record))
    return
  }
  for (const { value } of batch.records()) {
    assert(value !== null, 'a metadata record has a value')
    delta.replay(metadataRecords.decode(value))
  }
}
