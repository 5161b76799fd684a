// Owns the promises of appends under way. Never touches the addon.
// Invariant: each token is settled exactly once: by its completion, or by `abandon` when the log closes.
import { assert } from '#host'
import { errorOf, KafkaError } from '#protocol'
import type { AppendDoneEvent } from './event-stream.ts'

export interface Appended {
  readonly baseOffset: bigint
  readonly lastOffset: bigint
}

interface Waiter {
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: Error) => void
}

export class Appends {
  readonly #waiters = new Map<number, Waiter>()

  get pending(): number {
    return this.#waiters.size
  }

  wait(token: number): Promise<Appended> {
    assert(!this.#waiters.has(token), 'an append token names one append')
    return new Promise((resolve, reject) => this.#waiters.set(token, { resolve, reject }))
  }

  settle(done: AppendDoneEvent): void {
    const token = Number(done.token)
    const waiter = this.#waiters.get(token)
    if (waiter === undefined) return // abandoned
    this.#waiters.delete(token)
    if (done.errorCode === 0) waiter.resolve({ baseOffset: done.baseOffset, lastOffset: done.lastOffset })
    else waiter.reject(new KafkaError(errorOf(done.errorCode).name))
  }

  abandon(error: Error): void {
    const waiters = [...this.#waiters.values()]
    this.#waiters.clear()
    for (const waiter of waiters) waiter.reject(error)
  }
}
