// Owns when compacted logs are cleaned: `log.cleaner.threads` lanes, each of which cleans the dirtiest log that is due until there is none, and
// then rests for `log.cleaner.backoff.ms`. Never decides which log that is (the core does), nor touches one.
// Invariant: once `stop` resolves no cleaning runs and none begins.
import type { BrokerConfig } from '#config'
import type { Host, Logger, Timer } from '#host'
import { type BrokerHandle, NativeError } from '#native'
import type { PartitionIo } from './pool.ts'

export interface LogCleanerOptions {
  readonly config: BrokerConfig
  readonly data: Pick<BrokerHandle, 'mayCompact'>
  readonly partitionIo: Pick<PartitionIo, 'run'>
  readonly host: Pick<Host, 'timers'>
  readonly logger: Logger
}

export class LogCleaner {
  readonly #options: LogCleanerOptions
  readonly #rests = new Set<{ readonly timer: Timer; readonly end: () => void }>()
  #lanes: Promise<unknown> = Promise.resolve()
  #stopped = false

  constructor(options: LogCleanerOptions) {
    this.#options = options
  }

  start(): void {
    const { config } = this.#options
    if (!config.get('log.cleaner.enable')) return
    const lanes = Array.from({ length: config.number('log.cleaner.threads') }, () => this.#lane())
    this.#lanes = Promise.all(lanes)
  }

  /** Waits for the cleanings under way; tell the core to give them up first. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const { timer, end } of this.#rests) {
      timer.cancel()
      end()
    }
    await this.#lanes
  }

  async #lane(): Promise<void> {
    const { config, data } = this.#options
    while (!this.#stopped) {
      // Asked first: a broker without compacted logs never starts a worker for them.
      const hasCleaned = data.mayCompact() && (await this.#clean())
      if (!hasCleaned) await this.#rest(config.number('log.cleaner.backoff.ms'))
    }
  }

  /** True when a log was cleaned, and the next may be due. */
  async #clean(): Promise<boolean> {
    const { partitionIo, logger } = this.#options
    try {
      const { compacted, ...figures } = await partitionIo.run({ kind: 'compact' })
      if (compacted !== 1) return false
      logger.debug('compacted a log', figures)
      return true
    } catch (error) {
      if (!(error instanceof NativeError)) logger.error('the log cleaner failed', { error })
      else if (error.code === 'CLOSED') this.#stopped = true
      // Damage is told once: the core leaves that log alone from now on. A failed directory is told by the data plane.
      else if (error.code === 'UNCLEANABLE') logger.error(error.message)
      else logger.warn(error.message)
      return false
    }
  }

  async #rest(ms: number): Promise<void> {
    if (this.#stopped) return
    await new Promise<void>(resolve => {
      const end = () => {
        this.#rests.delete(rest)
        resolve()
      }
      const rest = { timer: this.#options.host.timers.setTimer(ms, end), end }
      this.#rests.add(rest)
    })
  }
}
