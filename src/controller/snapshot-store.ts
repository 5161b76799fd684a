// Owns the snapshot files beside the metadata log: which there are, reading the newest that is whole, writing and dropping.
// Invariant: the log is cut only before a snapshot that is on disk; the two newest are kept, so that a damaged one costs nothing.
import { join } from 'node:path'
import type { Files, Logger } from '#host'
import {
  compareSnapshotIds,
  decodeSnapshot,
  encodeSnapshot,
  MetadataImage,
  parseSnapshotFileName,
  type SnapshotId,
  snapshotFileName,
} from '#metadata'
import type { BatchCodec } from '#protocol'

const KEPT = 2

export interface SnapshotStoreOptions {
  readonly directory: string
  readonly files: Files
  readonly codec: BatchCodec
  readonly logger: Logger
}

export class SnapshotStore {
  readonly #options: SnapshotStoreOptions
  /** Oldest first. */
  #ids: readonly SnapshotId[]

  constructor(options: SnapshotStoreOptions) {
    this.#options = options
    this.#ids = options.files
      .list(options.directory)
      .map(parseSnapshotFileName)
      .filter(id => id !== null)
      .sort(compareSnapshotIds)
  }

  get latest(): SnapshotId | undefined {
    return this.#ids.at(-1)
  }

  /** The image of the newest snapshot that can be read; the empty one when there is none. Throws when none of several can. */
  load(): MetadataImage {
    let failure: unknown
    for (const id of this.#ids.toReversed()) {
      try {
        const bytes = this.#options.files.read(this.#path(id)) ?? Buffer.alloc(0)
        return decodeSnapshot(id, bytes, this.#options.codec)
      } catch (error) {
        failure ??= error
        this.#options.logger.error('a metadata snapshot is damaged', { file: snapshotFileName(id), error })
      }
    }
    if (failure !== undefined) throw failure
    return MetadataImage.empty
  }

  /** Resolves when the snapshot is on disk, with the offset before which the log is not needed any more. */
  async write(image: MetadataImage, lastContainedLogTimestampMs: number): Promise<bigint> {
    const id = { endOffset: image.offset + 1n, epoch: image.epoch }
    const { files, codec } = this.#options
    await files.writeAtomic(this.#path(id), encodeSnapshot(image, { codec, lastContainedLogTimestampMs }))
    const ids = [...this.#ids, id].sort(compareSnapshotIds)
    for (const old of ids.slice(0, -KEPT)) files.remove(this.#path(old))
    this.#ids = ids.slice(-KEPT)
    return (this.#ids[0] as SnapshotId).endOffset
  }

  /** Bytes from `position`, and the size of the whole; null when there is no such snapshot. */
  read(
    id: SnapshotId,
    position: number,
    maxBytes: number,
  ): { readonly bytes: Buffer; readonly sizeBytes: number } | null {
    if (!this.#ids.some(other => compareSnapshotIds(other, id) === 0)) return null
    const path = this.#path(id)
    const sizeBytes = this.#options.files.sizeBytes(path)
    const length = Math.max(0, Math.min(maxBytes, sizeBytes - position))
    return { bytes: this.#options.files.readAt(path, position, length), sizeBytes }
  }

  #path(id: SnapshotId): string {
    return join(this.#options.directory, snapshotFileName(id))
  }
}
