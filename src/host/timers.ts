// Owns waiting. Invariant: a cancelled timer never fires, and no timer of ours keeps the process alive.
export interface Timer {
  /** Cancelling a timer that has fired, or twice, does nothing. */
  cancel(): void
}

export interface Timers {
  /** Calls `fire` once after at least `delayMs`. What `fire` throws is a bug and ends the process. */
  setTimer(delayMs: number, fire: () => void): Timer
}

/** The longest delay setTimeout takes; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

class RealTimer implements Timer {
  readonly #fire: () => void
  #remainingMs: number
  #handle: NodeJS.Timeout | undefined

  constructor(delayMs: number, fire: () => void) {
    this.#fire = fire
    this.#remainingMs = Math.max(0, delayMs)
    this.#arm()
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }

  #arm(): void {
    const stepMs = Math.min(this.#remainingMs, MAX_DELAY_MS)
    this.#remainingMs -= stepMs
    this.#handle = setTimeout(() => (this.#remainingMs > 0 ? this.#arm() : this.#fire()), stepMs)
    this.#handle.unref()
  }
}

export const realTimers: Timers = {
  setTimer: (delayMs, fire) => new RealTimer(delayMs, fire),
}
