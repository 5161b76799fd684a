// Owns the reading of the metadata log at start: the newest snapshot, then every batch after it.
// Never writes. Invariant: the image it returns holds the whole log, or it throws; nothing is skipped.
import { loadBatches, type MetadataImage } from '#metadata'
import { type BatchCodec, KafkaError } from '#protocol'
import { EpochStarts } from './epoch-starts.ts'
import type { RawMetadataLog } from './metadata-log.ts'
import type { SnapshotStore } from './snapshot-store.ts'

const READ_BYTES = 4 * 1024 * 1024

export interface LoadedMetadataLog {
  readonly image: MetadataImage
  readonly epochStarts: EpochStarts
  /** Bytes of log that no snapshot covers. */
  readonly bytesSinceSnapshot: number
}

export function loadMetadataLog(log: RawMetadataLog, snapshots: SnapshotStore, codec: BatchCodec): LoadedMetadataLog {
  let image = snapshots.load()
  const epochStarts = new EpochStarts()
  if (image.epoch >= 0) epochStarts.note(image.epoch, image.offset)
  if (log.startOffset > image.offset + 1n) {
    throw broken(
      `it begins at offset ${log.startOffset} and the newest readable snapshot ends before, at ${image.offset + 1n}`,
    )
  }
  if (log.endOffset < image.offset + 1n) {
    throw broken(
      `it ends at offset ${log.endOffset}, before the snapshot that was made of it, which ends at ${image.offset + 1n}`,
    )
  }
  let bytesSinceSnapshot = 0
  while (image.offset + 1n < log.endOffset) {
    const bytes = log.read(image.offset + 1n, READ_BYTES)
    const loaded = loadBatches(image, bytes, {
      codec,
      onBatch: ({ header }) => epochStarts.note(header.partitionLeaderEpoch, header.baseOffset),
    })
    if (loaded === null)
      throw broken(`nothing can be read at offset ${image.offset + 1n}, before its end at ${log.endOffset}`)
    image = loaded.image
    bytesSinceSnapshot += bytes.length
  }
  return { image, epochStarts, bytesSinceSnapshot }
}

function broken(why: string): KafkaError {
  return new KafkaError('KAFKA_STORAGE_ERROR', `the metadata log is incomplete: ${why}`)
}
