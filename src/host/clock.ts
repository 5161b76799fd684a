// Owns the reading of time. Never waits. Invariant: monotonicMs never moves back, nowMs may (NTP, an operator).
export interface Clock {
  /** Wall-clock milliseconds since 1970, whole. For timestamps that leave the process. */
  nowMs(): number
  /** Milliseconds since an arbitrary start, with fraction. For every deadline and duration. */
  monotonicMs(): number
}

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
