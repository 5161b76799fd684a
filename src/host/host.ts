// Owns the list of what a process offers. Code that needs one of these takes it from here, so that tests can pass a double.
import type { Clock } from './clock.ts'
import type { Entropy } from './entropy.ts'
import type { Files } from './files.ts'
import type { Logger } from './logger.ts'
import type { Timers } from './timers.ts'

export interface Host {
  readonly clock: Clock
  readonly timers: Timers
  readonly entropy: Entropy
  readonly files: Files
  readonly logger: Logger
}
