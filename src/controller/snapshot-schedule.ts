// Owns when a snapshot of the metadata log is written: after so many bytes of records, or so much time with something new.
// Never more than one at a time. Invariant: the log is cut only when the snapshot that covers it is on disk.
import type { Logger, Timer, Timers } from '#host'
import type { MetadataLog } from './metadata-log.ts'
import type { SnapshotStore } from './snapshot-store.ts'

export interface SnapshotScheduleOptions {
  readonly log: MetadataLog
  readonly store: SnapshotStore
  readonly timers: Timers
  readonly logger: Logger
  readonly nowMs: () => number
  /** Bytes of log that no snapshot covered when the log was opened. */
  readonly bytesSinceSnapshot: number
  readonly bytesBetweenMax: number
  /** 0 = never because of time. */
  readonly intervalMs: number
}

export class SnapshotSchedule {
  readonly #options: SnapshotScheduleOptions
  /** What `log.bytesWritten` would have been at the last snapshot. */
  #bytesAtSnapshot: number
  #writing: Promise<void> | undefined
  #timer: Timer | undefined
  readonly #stop: () => void

  constructor(options: SnapshotScheduleOptions) {
    this.#options = options
    this.#bytesAtSnapshot = -options.bytesSinceSnapshot
    this.#stop = options.log.onCommit(() => this.#writeIfLarge())
    this.#armTimer()
    this.#writeIfLarge()
  }

  async close(): Promise<void> {
    this.#stop()
    this.#timer?.cancel()
    await this.#writing
  }

  #writeIfLarge(): void {
    const { log, bytesBetweenMax } = this.#options
    if (log.bytesWritten - this.#bytesAtSnapshot >= bytesBetweenMax) this.#start()
  }

  #armTimer(): void {
    const { log, timers, intervalMs } = this.#options
    if (intervalMs === 0) return
    this.#timer = timers.setTimer(intervalMs, () => {
      if (log.bytesWritten > this.#bytesAtSnapshot) this.#start()
      this.#armTimer()
    })
  }

  #start(): void {
    const { log, logger } = this.#options
    const image = log.committed
    // An image inside a transaction has no snapshot, nor has one that holds nothing.
    if (this.#writing !== undefined || log.failed || image.offset < 0n || image.transaction !== null) return
    this.#bytesAtSnapshot = log.bytesWritten
    this.#writing = this.#write()
      .catch((error: unknown) => logger.error('the metadata snapshot cannot be written', { error }))
      .finally(() => {
        this.#writing = undefined
      })
  }

  async #write(): Promise<void> {
    const { log, store, logger, nowMs } = this.#options
    const image = log.committed
    if (store.latest?.endOffset === image.offset + 1n) return
    const coveredOffset = await store.write(image, nowMs())
    logger.info('metadata snapshot written', { endOffset: image.offset + 1n, epoch: image.epoch })
    if (!log.failed) log.deleteBefore(coveredOffset)
  }
}
