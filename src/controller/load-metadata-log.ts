// Owns bringing the metadata log, opened for writing, and what was read of it before together.
// Invariant: the image it returns holds the whole log, or it throws; nothing is skipped.
import { loadBatches, type MetadataImage } from '#metadata'
import { type BatchCodec, KafkaError } from '#protocol'
import type { EpochStarts } from './epoch-starts.ts'
import type { RawMetadataLog } from './metadata-log.ts'
import type { StoredMetadata } from './stored-metadata.ts'

const READ_BYTES = 4 * 1024 * 1024

export interface LoadedMetadataLog {
  readonly image: MetadataImage
  readonly epochStarts: EpochStarts
  /** Bytes of log that no snapshot covers. */
  readonly bytesSinceSnapshot: number
}

export function loadMetadataLog(log: RawMetadataLog, stored: StoredMetadata, codec: BatchCodec): LoadedMetadataLog {
  const { epochStarts } = stored
  let { image, bytesSinceSnapshot } = stored
  if (log.startOffset > image.offset + 1n) {
    throw broken(
      `it begins at offset ${log.startOffset} and the newest readable snapshot ends before, at ${image.offset + 1n}`,
    )
  }
  if (log.endOffset < image.offset + 1n) {
    // Everything the log has is in the snapshot: it goes on behind it. Tools that copy only snapshots leave such a directory.
    if (bytesSinceSnapshot === 0) log.startAt(image.offset + 1n)
    else throw broken(`it ends at offset ${log.endOffset}, before what was read of it up to ${image.offset + 1n}`)
  }
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
