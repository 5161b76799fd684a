// Owns the keyed timers of one partition. Never decides what a deadline means.
// Invariant: a deadline that only moves back (a heartbeat) costs no host timer: the one that is set re-arms when it fires early.
import type { Clock, Timer, Timers } from '#host'

interface Deadline<Event> {
  atMs: number
  firesAtMs: number
  event: Event
  timer: Timer
}

export class Deadlines<Event> {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #fire: (event: Event) => void
  readonly #deadlines = new Map<string, Deadline<Event>>()

  constructor(host: { readonly clock: Clock; readonly timers: Timers }, fire: (event: Event) => void) {
    this.#clock = host.clock
    this.#timers = host.timers
    this.#fire = fire
  }

  get size(): number {
    return this.#deadlines.size
  }

  set(key: string, delayMs: number, event: Event): void {
    const atMs = this.#clock.monotonicMs() + delayMs
    const deadline = this.#deadlines.get(key)
    if (deadline === undefined) {
      this.#deadlines.set(key, { atMs, firesAtMs: atMs, event, timer: this.#arm(key, delayMs) })
      return
    }
    deadline.atMs = atMs
    deadline.event = event
    if (atMs < deadline.firesAtMs) {
      deadline.timer.cancel()
      deadline.firesAtMs = atMs
      deadline.timer = this.#arm(key, delayMs)
    }
  }

  cancel(key: string): void {
    this.#deadlines.get(key)?.timer.cancel()
    this.#deadlines.delete(key)
  }

  cancelAll(): void {
    for (const deadline of this.#deadlines.values()) deadline.timer.cancel()
    this.#deadlines.clear()
  }

  #arm(key: string, delayMs: number): Timer {
    return this.#timers.setTimer(delayMs, () => this.#due(key))
  }

  #due(key: string): void {
    const deadline = this.#deadlines.get(key)
    if (deadline === undefined) return
    const remainingMs = deadline.atMs - this.#clock.monotonicMs()
    if (remainingMs > 0) {
      deadline.firesAtMs = deadline.atMs
      deadline.timer = this.#arm(key, remainingMs)
      return
    }
    this.#deadlines.delete(key)
    this.#fire(deadline.event)
  }
}
