// Owns the promises that wait for the log to come to an offset. Never polls: the core wakes this thread.
// Invariant: every promise settles: when the offset is reached, when the records below it are lost, or when the log closes.
import type { EmbeddedHandle } from '#native'
import { LogError, logErrorOf } from './log-error.ts'

interface Waiter {
  readonly offset: number
  readonly kind: 'written' | 'fsync' | 'more'
  readonly failures: number
  readonly resolve: (isThere: boolean) => void
  readonly reject: (error: unknown) => void
}

/** No wake is ever late by design; should one be lost, this is how long it is. */
const ALIVE_MS = 1_000

export class Waiters {
  readonly #handle: EmbeddedHandle
  #waiting: Waiter[] = []
  /** Keeps the event loop alive while something waits: the wake itself does not. */
  #alive: NodeJS.Timeout | null = null

  constructor(handle: EmbeddedHandle) {
    this.#handle = handle
  }

  get count(): number {
    return this.#waiting.length
  }

  /** Resolves when everything below `offset` is written, or on the disk; rejects when it is lost. */
  async until(offset: number, kind: 'written' | 'fsync'): Promise<void> {
    await this.#wait(offset, kind)
  }

  /** Resolves with true when the log goes beyond `offset`, with false when its writer has closed it. Rejects when the signal says so. */
  async more(offset: number, signal: AbortSignal | undefined): Promise<boolean> {
    let remove = (): void => {}
    const aborted = new Promise<never>((_, reject) => {
      if (signal === undefined) return
      const onAbort = (): void => reject(signal.reason as Error)
      signal.addEventListener('abort', onAbort, { once: true })
      remove = () => signal.removeEventListener('abort', onAbort)
    })
    try {
      return await Promise.race([this.#wait(offset, 'more'), aborted])
    } finally {
      remove()
    }
  }

  /** Looks at where the log is now. */
  settle(): void {
    if (this.#waiting.length === 0) return
    const handle = this.#handle
    if (!handle.isClosed) handle.wantWake()
    const waiting = this.#waiting
    this.#waiting = []
    for (const waiter of waiting) if (!this.#isSettled(waiter)) this.#waiting.push(waiter)
    this.#stayAlive()
  }

  /** The handle is closed: nothing moves any more. */
  end(): void {
    this.settle()
    const waiting = this.#waiting
    this.#waiting = []
    for (const waiter of waiting) {
      if (waiter.kind === 'more') waiter.resolve(false)
      else waiter.reject(new LogError('CLOSED', 'the log closed before the records were safe'))
    }
    this.#stayAlive()
  }

  #wait(offset: number, kind: Waiter['kind']): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { offset, kind, failures: this.#handle.failures, resolve, reject }
      this.#waiting.push(waiter)
      if (this.#handle.isClosed) this.end()
      else this.settle()
    })
  }

  #stayAlive(): void {
    if (this.#waiting.length > 0) this.#alive ??= setInterval(() => this.settle(), ALIVE_MS)
    else if (this.#alive !== null) {
      clearInterval(this.#alive)
      this.#alive = null
    }
  }

  #isSettled({ offset, kind, failures, resolve, reject }: Waiter): boolean {
    const handle = this.#handle
    const reached = kind === 'fsync' ? handle.syncedOffset : handle.writtenOffset
    if (kind === 'more' ? reached > offset : reached >= offset) {
      resolve(true)
      return true
    }
    if (kind === 'more') {
      if (!handle.writerIsClosed) return false
      resolve(false)
      return true
    }
    if (handle.failures === failures) return false
    reject(logErrorOf(handle.lastFailure()))
    return true
  }
}
