// Owns the promises that wait for the log to come to an offset. The core wakes this thread; only files that another process writes are
// looked at again and again, and only while someone waits.
// Invariant: every promise settles: when the offset is reached, when the records below it are lost, or when the log closes.
import type { EmbeddedHandle } from '#native'
import { LogError, logErrorOf } from './log-error.ts'

interface Waiter {
  readonly offset: number
  readonly kind: 'written' | 'fsync' | 'more' | 'condition'
  readonly holds?: () => boolean
  readonly failures: number
  readonly resolve: (isThere: boolean) => void
  readonly reject: (error: unknown) => void
}

/** No wake is ever late by design; should one be lost, this is how long it is. */
const ALIVE_MS = 1_000
/** How often the files of a writer in another process are looked at while someone waits. */
const OBSERVE_MS = 10

export class Waiters {
  readonly #handle: EmbeddedHandle
  #waiting: Waiter[] = []
  /** Keeps the event loop alive while something waits: the wake itself does not. */
  #alive: NodeJS.Timeout | null = null

  readonly #isObserver: boolean

  constructor(handle: EmbeddedHandle, isObserver: boolean) {
    this.#handle = handle
    this.#isObserver = isObserver
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

  /** Resolves when the condition holds, which is looked at whenever the log has moved. What it throws rejects. */
  async when(holds: () => boolean): Promise<void> {
    await this.#wait(0, 'condition', holds)
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

  #wait(offset: number, kind: Waiter['kind'], holds?: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const failures = this.#handle.failures
      const waiter: Waiter = { offset, kind, failures, resolve, reject, ...(holds === undefined ? {} : { holds }) }
      this.#waiting.push(waiter)
      if (this.#handle.isClosed) this.end()
      else this.settle()
    })
  }

  #look(): void {
    if (this.#isObserver) {
      try {
        this.#handle.observe()
      } catch (cause) {
        const waiting = this.#waiting
        this.#waiting = []
        for (const waiter of waiting) waiter.reject(logErrorOf(cause))
      }
    }
    this.settle()
  }

  #stayAlive(): void {
    if (this.#waiting.length > 0)
      this.#alive ??= setInterval(() => this.#look(), this.#isObserver ? OBSERVE_MS : ALIVE_MS)
    else if (this.#alive !== null) {
      clearInterval(this.#alive)
      this.#alive = null
    }
  }

  #isSettled({ offset, kind, failures, resolve, reject, holds }: Waiter): boolean {
    const handle = this.#handle
    if (holds !== undefined) {
      try {
        if (!holds()) return false
        resolve(true)
      } catch (cause) {
        reject(logErrorOf(cause))
      }
      return true
    }
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
