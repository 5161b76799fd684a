// A metadata log in memory: what is not synced is lost in a crash, and syncs can be held back or made to fail.
import type { RawMetadataLog } from '../../src/controller/metadata-log.ts'

interface StoredBatch {
  readonly bytes: Buffer
  readonly baseOffset: bigint
  readonly lastOffset: bigint
}

interface PendingSync {
  readonly batch: StoredBatch
  readonly sync: boolean
  readonly resolve: (appended: { baseOffset: bigint; lastOffset: bigint }) => void
  readonly reject: (error: Error) => void
}

export class MemoryMetadataLog implements RawMetadataLog {
  #batches: StoredBatch[] = []
  #synced = 0n
  #start = 0n
  #pending: PendingSync[] = []
  #failure: Error | undefined
  holdSyncs = false
  appends = 0
  syncs = 0

  get startOffset(): bigint {
    return this.#start
  }

  get endOffset(): bigint {
    return (this.#batches.at(-1)?.lastOffset ?? this.#start - 1n) + 1n
  }

  get batches(): readonly Buffer[] {
    return this.#batches.map(({ bytes }) => bytes)
  }

  append(batch: Buffer, leaderEpoch: number, options: { readonly sync: boolean }) {
    this.appends++
    if (options.sync) this.syncs++
    const bytes = Buffer.from(batch)
    const baseOffset = this.endOffset
    bytes.writeBigInt64BE(baseOffset, 0)
    bytes.writeInt32BE(leaderEpoch, 12)
    const stored = { bytes, baseOffset, lastOffset: baseOffset + BigInt(bytes.readInt32BE(23)) }
    if (this.#failure === undefined) this.#batches.push(stored)
    return new Promise<{ baseOffset: bigint; lastOffset: bigint }>((resolve, reject) => {
      this.#pending.push({ batch: stored, sync: options.sync, resolve, reject })
      if (!this.holdSyncs) queueMicrotask(() => this.sync())
    })
  }

  /** Everything written so far is on disk. */
  sync(): void {
    for (const { batch, sync, resolve, reject } of this.#pending.splice(0)) {
      if (this.#failure !== undefined) reject(this.#failure)
      else {
        if (sync) this.#synced = batch.lastOffset + 1n
        resolve({ baseOffset: batch.baseOffset, lastOffset: batch.lastOffset })
      }
    }
  }

  fail(error: Error): void {
    this.#failure = error
  }

  read(offset: bigint, maxBytes: number): Buffer {
    const from = this.#batches.findIndex(({ lastOffset }) => lastOffset >= offset)
    if (from < 0) return Buffer.alloc(0)
    const chosen: Buffer[] = []
    let size = 0
    for (const { bytes } of this.#batches.slice(from)) {
      if (chosen.length > 0 && size + bytes.length > maxBytes) break
      chosen.push(bytes)
      size += bytes.length
    }
    return Buffer.concat(chosen)
  }

  deleteBefore(offset: bigint): void {
    this.#batches = this.#batches.filter(({ lastOffset }) => lastOffset >= offset)
    this.#start = offset
  }

  startAt(offset: bigint): void {
    this.#batches = []
    this.#start = offset
  }

  close(): void {}

  /** The log as the next process finds it: after a power cut only what was synced, else everything written. */
  reopen({ powerCut = false } = {}): MemoryMetadataLog {
    const next = new MemoryMetadataLog()
    next.#batches = this.#batches.filter(({ lastOffset }) => !powerCut || lastOffset < this.#synced)
    next.#start = this.#start
    next.#synced = this.#synced
    return next
  }
}
