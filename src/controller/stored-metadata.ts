// Owns the reading of a metadata log as it lies on disk, before anything in its directory is opened for writing: the newest snapshot,
// the batches behind it, what `quorum-state` and `bootstrap.checkpoint` say. Never writes, and never decides whether it can be carried on.
// Invariant: what a crash left unfinished at the end of the log is left out, here as in the recovery that cuts it off later.
import { dirname, join } from 'node:path'
import type { Files, Logger } from '#host'
import { decodeBootstrap, loadBatches, MetadataImage } from '#metadata'
import {
  BATCH_HEADER_BYTES,
  type BatchCodec,
  decodeBatches,
  decodeControlRecord,
  KafkaError,
  type MetadataRecord,
  type RecordBatch,
} from '#protocol'
import { EpochStarts } from './epoch-starts.ts'
import { parseQuorumState, QUORUM_STATE_FILE, type QuorumState } from './quorum-state.ts'
import { SnapshotStore } from './snapshot-store.ts'

export const BOOTSTRAP_FILE = 'bootstrap.checkpoint'

const READ_BYTES = 4 * 1024 * 1024
const SEGMENT = /^(\d{20})\.log$/
/** Where a batch's length field ends: the length counts from here. */
const BATCH_LENGTH_END = 12

export interface StoredMetadata {
  /** With every record of the snapshot and of whole batches behind it. */
  readonly image: MetadataImage
  readonly epochStarts: EpochStarts
  /** Bytes of log that no snapshot covers. */
  readonly bytesSinceSnapshot: number
  /** The voters that the last leader named; null when none ever led. */
  readonly leaderVoters: readonly number[] | null
  readonly quorumState: QuorumState | null
  /** What a formatted cluster is to begin with; null without such a file. */
  readonly bootstrap: readonly MetadataRecord[] | null
  /** Neither log nor snapshot. */
  readonly isEmpty: boolean
}

export interface StoredMetadataOptions {
  /** `__cluster_metadata-0` itself. */
  readonly directory: string
  readonly files: Files
  readonly codec: BatchCodec
  readonly logger: Logger
}

/** Throws KafkaError when a record, a snapshot or the order of things cannot be understood. */
export function readStoredMetadata(options: StoredMetadataOptions): StoredMetadata {
  const { directory, files, codec } = options
  const snapshots = new SnapshotStore(options)
  const segments = segmentBases(files.list(directory))
  let image = newestSnapshot(snapshots, segments)
  const epochStarts = new EpochStarts()
  if (image.epoch >= 0) epochStarts.note(image.epoch, image.offset < 0n ? 0n : image.offset)
  let leaderVoters: readonly number[] | null = null
  const onBatch = (batch: RecordBatch): void => {
    epochStarts.note(batch.header.partitionLeaderEpoch, batch.baseOffset)
    leaderVoters = votersNamedIn(batch) ?? leaderVoters
  }
  const first = segments[0]
  if (first !== undefined && first > image.offset + 1n) {
    throw new KafkaError(
      'KAFKA_STORAGE_ERROR',
      snapshots.latest === undefined
        ? `its metadata log begins at offset ${first}, and there is no snapshot of what was before`
        : `its metadata log begins at offset ${first}, and the newest snapshot ends before, at ${image.offset + 1n}`,
    )
  }
  let bytesSinceSnapshot = 0
  for (const [index, base] of segments.entries()) {
    const next = segments[index + 1]
    if (next !== undefined && next <= image.offset + 1n) continue
    const path = join(directory, `${String(base).padStart(20, '0')}.log`)
    for (const bytes of wholeBatches(path, files, codec)) {
      const loaded = loadBatches(image, bytes, { codec, onBatch })
      if (loaded === null) continue
      image = loaded.image
      bytesSinceSnapshot += bytes.length
    }
    // What follows a damaged end is cut off with it.
    if (next !== undefined && next !== image.offset + 1n) break
  }
  const state = files.read(join(directory, QUORUM_STATE_FILE))
  const bootstrap = files.read(join(dirname(directory), BOOTSTRAP_FILE))
  return {
    image,
    epochStarts,
    bytesSinceSnapshot,
    leaderVoters,
    quorumState: state === null ? null : parseQuorumState(state.toString('utf8')),
    bootstrap: bootstrap === null ? null : decodeBootstrap(bootstrap, codec),
    isEmpty: image.offset < 0n && snapshots.latest === undefined,
  }
}

/** With the log from its beginning damaged snapshots are a loss of time only. */
function newestSnapshot(snapshots: SnapshotStore, segments: readonly bigint[]): MetadataImage {
  try {
    return snapshots.load()
  } catch (error) {
    if (segments[0] !== 0n) throw error
    return MetadataImage.empty
  }
}

function segmentBases(names: readonly string[]): readonly bigint[] {
  return names
    .map(name => SEGMENT.exec(name)?.[1])
    .filter(base => base !== undefined)
    .map(BigInt)
    .sort((a, b) => (a < b ? -1 : 1))
}

/** The file in pieces of whole, sound batches; ends before the first that is not. */
function* wholeBatches(path: string, files: Files, codec: BatchCodec): Generator<Buffer> {
  const sizeBytes = files.sizeBytes(path)
  let position = 0
  let wanted = READ_BYTES
  while (position + BATCH_HEADER_BYTES <= sizeBytes) {
    const bytes = files.readAt(path, position, Math.min(wanted, sizeBytes - position))
    const sound = soundBytes(bytes, codec)
    if (sound > 0) {
      yield bytes.subarray(0, sound)
      position += sound
      wanted = READ_BYTES
      continue
    }
    // A batch may be larger than a piece; its length is believed only as far as the file goes.
    const needed = bytes.length < BATCH_LENGTH_END ? 0 : bytes.readInt32BE(8) + BATCH_LENGTH_END
    if (needed <= bytes.length || position + needed > sizeBytes) return
    wanted = needed
  }
}

/** Bytes of the batches at the start that are whole and have the right checksum. */
function soundBytes(bytes: Buffer, codec: BatchCodec): number {
  let sound = 0
  try {
    for (const batch of decodeBatches(bytes, codec)) sound += batch.bytes.length
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
  }
  return sound
}

function votersNamedIn(batch: RecordBatch): readonly number[] | null {
  if (!batch.isControl) return null
  for (const record of batch.records()) {
    const control = decodeControlRecord(record)
    if (control.type === 'LeaderChange') return control.voters.map(({ voterId }) => voterId)
  }
  return null
}
