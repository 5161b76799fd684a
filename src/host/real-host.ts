// Owns the assembly of the real host. Never caches: two brokers in one process have one each.
import { realClock } from './clock.ts'
import { realEntropy } from './entropy.ts'
import { realFiles } from './files.ts'
import type { Host } from './host.ts'
import { type Logger, type LoggerOptions, realLogger } from './logger.ts'
import { realTimers } from './timers.ts'

export interface RealHostOptions extends LoggerOptions {
  /** Use this one in place of our own. */
  readonly logger?: Logger
}

export function realHost(options: RealHostOptions = {}): Host {
  return {
    clock: realClock,
    timers: realTimers,
    entropy: realEntropy,
    files: realFiles,
    logger: options.logger ?? realLogger(options),
  }
}
