// Owns the one writer of `__cluster_metadata-0`: what is appended, what is on disk, and the image at both points.
//   log start ──(snapshots)── high watermark = synced to disk ── log end = written
// Never decides what is written. Invariant: records are replayed into `latest` in the turn they are written, and what anybody
// outside learns is at or below the high watermark; after the first failed write or sync nothing is written any more.
import { assert } from '#host'
import { MetadataDelta, type MetadataImage } from '#metadata'
import {
  BATCH_HEADER_BYTES,
  type BatchCodec,
  KafkaError,
  type MetadataRecordInput,
  metadataRecords,
  readBatchHeader,
} from '#protocol'
import type { EpochStarts } from './epoch-starts.ts'
import { encodeOperation } from './operation-batches.ts'

/** What the log under it offers: `LogHandle` of #native. */
export interface RawMetadataLog {
  readonly startOffset: bigint
  readonly endOffset: bigint
  append(
    batch: Buffer,
    leaderEpoch: number,
    options: { readonly sync: boolean },
  ): Promise<{ readonly baseOffset: bigint; readonly lastOffset: bigint }>
  read(offset: bigint, maxBytes: number): Buffer
  deleteBefore(offset: bigint): void
  /** Drops everything and goes on, empty, at `offset`. */
  startAt(offset: bigint): void
  close(): void
}

export interface MetadataLogOptions {
  readonly log: RawMetadataLog
  readonly codec: BatchCodec
  /** As the log stood when it was opened. */
  readonly image: MetadataImage
  readonly epochStarts: EpochStarts
  readonly leaderEpoch: number
  readonly nowMs: () => number
  /** The first write or sync that failed. */
  readonly onFailure: (error: Error) => void
}

/** The batch length counts the bytes after itself: base offset and length come on top. */
const BATCH_LENGTH_END = 12

interface Waiter {
  readonly offset: bigint
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class MetadataLog {
  readonly #options: MetadataLogOptions
  #latest: MetadataImage
  #committed: MetadataImage
  #endOffset: bigint
  #highWatermark: bigint
  #operationOffset: bigint
  #bytesWritten = 0
  #failure: Error | undefined
  /** In order of offsets, as appends are. */
  #waiters: Waiter[] = []
  readonly #listeners = new Set<() => void>()

  constructor(options: MetadataLogOptions) {
    this.#options = options
    this.#latest = options.image
    this.#committed = options.image
    this.#operationOffset = options.image.offset
    this.#endOffset = options.log.endOffset
    // What an earlier life left in the log may not have been synced; the first sync of this one covers it.
    this.#highWatermark = options.log.endOffset
    assert(options.image.offset === this.#endOffset - 1n, 'the image holds the whole log')
  }

  /** With everything written: decisions are made on this. */
  get latest(): MetadataImage {
    return this.#latest
  }

  /** With what is on disk: snapshots are made of this. */
  get committed(): MetadataImage {
    return this.#committed
  }

  get startOffset(): bigint {
    return this.#options.log.startOffset
  }

  get endOffset(): bigint {
    return this.#endOffset
  }

  /** First offset that is not known to be on disk. */
  get highWatermark(): bigint {
    return this.#highWatermark
  }

  /** Last offset of the last operation: what `latest` says rests on this. A control batch after it says nothing, and is not
   *  synced by itself, so nobody waits for it. */
  get operationOffset(): bigint {
    return this.#operationOffset
  }

  get leaderEpoch(): number {
    return this.#options.leaderEpoch
  }

  /** Nothing is written or committed any more. */
  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** Since this log was opened. */
  get bytesWritten(): number {
    return this.#bytesWritten
  }

  /** Writes one operation and replays it. Returns the last offset; wait for it with `committedAt`. */
  write(records: readonly MetadataRecordInput[]): bigint {
    this.#assertWritable()
    const { codec, nowMs } = this.#options
    const operation = encodeOperation(records, { codec, features: this.#latest.features, timestampMs: nowMs() })
    const delta = new MetadataDelta(this.#latest)
    // From the bytes, not from the records: what a version does not carry is lost here as it is for every other reader.
    for (const value of operation.values) delta.replay(metadataRecords.decode(value))
    const last = operation.batches.length - 1
    operation.batches.forEach(({ bytes, recordCount }, index) => this.#append(bytes, recordCount, index === last))
    this.#latest = delta.apply({ offset: this.#endOffset - 1n, epoch: this.leaderEpoch })
    const image = this.#latest
    this.#operationOffset = image.offset
    this.#wait({ offset: image.offset, resolve: () => (this.#committed = image), reject: () => {} })
    return image.offset
  }

  /** Writes a control batch: it moves the offset and nothing else. Not synced by itself, but by what comes after it. */
  writeControl(batch: Buffer, recordCount: number): void {
    this.#assertWritable()
    this.#append(batch, recordCount, false)
    this.#latest = new MetadataDelta(this.#latest).apply({ offset: this.#endOffset - 1n, epoch: this.leaderEpoch })
  }

  /** Resolves when the record at `offset` is on disk. */
  committedAt(offset: bigint): Promise<void> | undefined {
    if (offset < this.#highWatermark) return undefined
    return new Promise((resolve, reject) => this.#wait({ offset, resolve, reject }))
  }

  /** Whole batches from the one with `offset` on, nothing at or above the high watermark. */
  read(offset: bigint, maxBytes: number): Buffer {
    if (offset >= this.#highWatermark) return Buffer.alloc(0)
    const bytes = this.#options.log.read(offset, maxBytes)
    return bytes.subarray(0, bytesBelow(bytes, this.#highWatermark))
  }

  /** Calls back whenever the high watermark moved, or never will again. Returns what ends it. */
  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  deleteBefore(offset: bigint): void {
    assert(offset <= this.#highWatermark, 'only committed records are deleted')
    this.#options.log.deleteBefore(offset)
  }

  close(): void {
    this.#fail(new KafkaError('NOT_CONTROLLER', 'the controller is closed'))
    this.#options.log.close()
  }

  #assertWritable(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #append(batch: Buffer, recordCount: number, sync: boolean): void {
    const baseOffset = this.#endOffset
    this.#options.epochStarts.note(this.leaderEpoch, baseOffset)
    this.#endOffset += BigInt(recordCount)
    this.#bytesWritten += batch.length
    this.#options.log.append(batch, this.leaderEpoch, { sync }).then(
      appended => {
        assert(appended.baseOffset === baseOffset, 'the metadata log has one writer')
        if (sync) this.#commit(appended.lastOffset)
      },
      (error: unknown) => {
        if (this.#failure !== undefined) return
        const failure = new KafkaError('KAFKA_STORAGE_ERROR', 'the metadata log cannot be written', { cause: error })
        this.#fail(failure)
        this.#options.onFailure(failure)
      },
    )
  }

  /** A sync covers everything written before it. */
  #commit(lastOffset: bigint): void {
    if (lastOffset < this.#highWatermark || this.#failure !== undefined) return
    this.#highWatermark = lastOffset + 1n
    const waiting = this.#waiters.findIndex(({ offset }) => offset > lastOffset)
    const released = this.#waiters.splice(0, waiting < 0 ? this.#waiters.length : waiting)
    for (const { resolve } of released) resolve()
    for (const listener of this.#listeners) listener()
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    for (const { reject } of this.#waiters.splice(0)) reject(error)
    for (const listener of this.#listeners) listener()
  }

  #wait(waiter: Waiter): void {
    if (this.#failure !== undefined) return waiter.reject(this.#failure)
    const before = this.#waiters.findLastIndex(({ offset }) => offset <= waiter.offset)
    this.#waiters.splice(before + 1, 0, waiter)
  }
}

/** Bytes of the batches that lie wholly below `offset`. */
function bytesBelow(bytes: Buffer, offset: bigint): number {
  let position = 0
  while (position + BATCH_HEADER_BYTES <= bytes.length) {
    const { baseOffset, lastOffsetDelta, batchLength } = readBatchHeader(bytes, position)
    if (baseOffset + BigInt(lastOffsetDelta) >= offset) break
    position += batchLength + BATCH_LENGTH_END
  }
  return Math.min(position, bytes.length)
}
