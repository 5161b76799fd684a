// Owns how long to wait before the next attempt. Never waits itself, never draws randomness: the caller passes the draw in.
// Invariant: the delay of attempt n lies within ±20 % of min(max, initial * 2^n), as in Kafka's clients (KIP-580).
import { assert } from '#host'

export interface BackoffLimits {
  readonly initialMs: number
  readonly maxMs: number
}

export const RETRY_BACKOFF: BackoffLimits = { initialMs: 100, maxMs: 1_000 }
export const RECONNECT_BACKOFF: BackoffLimits = { initialMs: 50, maxMs: 1_000 }

const JITTER = 0.2
/** 2^20 times any sensible initial delay is beyond any sensible maximum. */
const DOUBLINGS_MAX = 20

/** `unitDraw` is uniform in [0, 1); `failures` counts from 0 for the wait after the first failure. */
export function backoffMs(limits: BackoffLimits, failures: number, unitDraw: number): number {
  assert(failures >= 0 && unitDraw >= 0 && unitDraw < 1, 'a backoff needs a count of failures and a draw in [0, 1)')
  const base = Math.min(limits.maxMs, limits.initialMs * 2 ** Math.min(failures, DOUBLINGS_MAX))
  return base * (1 - JITTER + 2 * JITTER * unitDraw)
}
