// Owns waiting: deadlines, pauses between attempts, retries, and giving up when the caller aborts. Never decides what is retriable:
// the error says so. Invariant: no wait outlives its deadline or its signal, and none is left behind when either fires.
import type { Host } from '#host'
import { type BackoffLimits, backoffMs } from './backoff.ts'
import { KafkaError, timedOut } from './kafka-errors.ts'

export type WaitHost = Pick<Host, 'clock' | 'timers' | 'entropy'>

/** A moment on the monotonic clock by which a call has to be over. */
export class Deadline {
  readonly #host: WaitHost
  readonly #atMs: number
  readonly timeoutMs: number

  constructor(host: WaitHost, timeoutMs: number) {
    this.#host = host
    this.timeoutMs = timeoutMs
    this.#atMs = host.clock.monotonicMs() + timeoutMs
  }

  get remainingMs(): number {
    return Math.max(0, this.#atMs - this.#host.clock.monotonicMs())
  }

  get passed(): boolean {
    return this.remainingMs === 0
  }
}

export function pause(host: WaitHost, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = (): void => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = host.timers.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Waits for `work`, but not past the deadline nor the signal. The work itself goes on: its owner is someone else. */
export function within<T>(
  host: WaitHost,
  what: string,
  deadline: Deadline,
  signal: AbortSignal | undefined,
  work: Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const settle = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
    const onAbort = (): void => {
      settle()
      reject(signal?.reason)
    }
    const timer = host.timers.setTimer(deadline.remainingMs, () => {
      settle()
      reject(timedOut(what, deadline.timeoutMs))
    })
    work.then(
      value => {
        settle()
        resolve(value)
      },
      (error: unknown) => {
        settle()
        reject(error)
      },
    )
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}

export interface RetryOptions {
  readonly host: WaitHost
  readonly deadline: Deadline
  readonly backoff: BackoffLimits
  readonly signal?: AbortSignal | undefined
}

/** Repeats `attempt` while it fails with a retriable error and the deadline allows another one; then throws the last error. */
export async function retry<T>(options: RetryOptions, attempt: (failures: number) => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    options.signal?.throwIfAborted()
    try {
      return await attempt(failures)
    } catch (error) {
      if (!(error instanceof KafkaError) || !error.retriable) throw error
      const delayMs = backoffMs(options.backoff, failures, drawUnit(options.host))
      if (delayMs >= options.deadline.remainingMs) throw error
      await pause(options.host, delayMs, options.signal)
    }
  }
}

/** Uniform in [0, 1), to a precision that is enough to spread clients. */
export function drawUnit(host: WaitHost): number {
  return host.entropy.int(1 << 20) / (1 << 20)
}

/** A bell one waiter listens for. A ring while nobody listens is kept for the next. */
export class Wakeup {
  #rung = false
  #listener: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#listener?.()
  }

  /** Returns at the ring or after `delayMs`, whichever is first; rejects when the signal aborts. */
  wait(host: WaitHost, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#rung = false
        this.#listener = undefined
        timer?.cancel()
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        done()
        reject(signal?.reason)
      }
      const finish = (): void => {
        done()
        resolve()
      }
      const timer = Number.isFinite(delayMs) ? host.timers.setTimer(delayMs, finish) : undefined
      if (signal?.aborted) return onAbort()
      if (this.#rung) return finish()
      this.#listener = finish
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
