// Owns the two steps in which a broker takes over an embedded log. Never decides whether it may.
import { addon } from './addon.ts'
import { callNative } from './native-error.ts'

export interface AdoptedLog {
  readonly logStartOffset: bigint
  readonly logEndOffset: bigint
}

export const adoption = {
  /** Recovers the log in the directory if need be; null when there is no embedded log. Throws `LOCKED` while one is open for writing. */
  prepare(dir: string): AdoptedLog | null {
    const adopted = callNative(() => addon().adoptLog(dir))
    return adopted === null
      ? null
      : { logStartOffset: BigInt(adopted.logStartOffset), logEndOffset: BigInt(adopted.logEndOffset) }
  },
  /** From now on the directory is the broker's. */
  finish(dir: string): void {
    callNative(() => addon().finishAdoption(dir))
  },
} as const
