// Owns the reading of time. Never waits. Invariant: monotonicMs never moves back, nowMs may (NTP, an operator).
export interface Clock {
  /** Wall-clock milliseconds since 1970, whole. For timestamps that leave the process. */
  nowMs(): number
  /** Milliseconds since an arbitrary start, with fraction. For every deadline and duration. */
  monotonicMs(): number
}

const NANOSECONDS_PER_MS = 1e6

export const realClock: Clock = {
  nowMs: () => Date.now(),
  // Not performance.now(): the first touch of `performance` loads seven modules into a process that is starting.
  monotonicMs: () => Number(process.hrtime.bigint()) / NANOSECONDS_PER_MS,
}
