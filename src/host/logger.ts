// Owns what the process says about itself: one JSON line an event, on standard error by default. Never throws, never blocks start-up.
// Invariant: lines come out in the order they were logged, also those that were logged before pino was loaded.
import { writeSync } from 'node:fs'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger whose lines carry `name`; nested names are joined with a dot. */
  child(name: string): Logger
}

export interface LoggerOptions {
  readonly level?: LogLevel
  /** File descriptor to write to; 2 (standard error) unless told. */
  readonly fd?: number
}

const LEVEL_NUMBERS: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  silent: Number.POSITIVE_INFINITY,
}

/** Loading pino costs about as much as starting a broker, so it waits until the first lines are this old. */
const LOAD_DELAY_MS = 500

interface Line {
  readonly level: Exclude<LogLevel, 'silent'>
  readonly fields: Record<string, unknown>
  readonly message: string
}

type Sink = (line: Line) => void

/** Holds lines until pino is there. When the process ends first, they are written out as pino would have. */
class Output {
  readonly #fd: number
  #pending: Line[] = []
  #sink: Sink | undefined
  #loading = false
  readonly #onExit = (): void => this.#writePending()

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: Line): void {
    if (this.#sink) return this.#sink(line)
    this.#pending.push(line)
    if (this.#loading) return
    this.#loading = true
    process.once('exit', this.#onExit)
    setTimeout(() => void this.#load(), LOAD_DELAY_MS).unref()
  }

  async #load(): Promise<void> {
    try {
      const { pino } = await import('pino')
      const destination = pino.destination({ fd: this.#fd, sync: true })
      // A closed pipe must not take the broker down with it.
      destination.on('error', () => {})
      const logger = pino({ base: null, timestamp: false, level: 'debug' }, destination)
      this.#sink = line => logger[line.level](line.fields, line.message)
      for (const line of this.#pending) this.#sink(line)
      this.#pending = []
    } catch {
      this.#sink = line => writeLine(this.#fd, line)
      this.#writePending()
    }
    process.removeListener('exit', this.#onExit)
  }

  #writePending(): void {
    for (const line of this.#pending) writeLine(this.#fd, line)
    this.#pending = []
  }
}

class RealLogger implements Logger {
  readonly #output: Output
  readonly #threshold: number
  readonly #name: string

  constructor(output: Output, threshold: number, name: string) {
    this.#output = output
    this.#threshold = threshold
    this.#name = name
  }

  debug(message: string, fields?: LogFields): void {
    this.#log('debug', message, fields)
  }

  info(message: string, fields?: LogFields): void {
    this.#log('info', message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    this.#log('warn', message, fields)
  }

  error(message: string, fields?: LogFields): void {
    this.#log('error', message, fields)
  }

  child(name: string): Logger {
    return new RealLogger(this.#output, this.#threshold, this.#name === '' ? name : `${this.#name}.${name}`)
  }

  #log(level: Line['level'], message: string, fields: LogFields | undefined): void {
    if (LEVEL_NUMBERS[level] < this.#threshold) return
    const own = this.#name === '' ? { time: Date.now() } : { time: Date.now(), name: this.#name }
    this.#output.write({ level, fields: { ...own, ...plain(fields) }, message })
  }
}

export function realLogger(options: LoggerOptions = {}): Logger {
  const level = options.level ?? 'info'
  return new RealLogger(new Output(options.fd ?? 2), LEVEL_NUMBERS[level], '')
}

/** Makes fields fit for JSON: errors become their parts, bigints their digits. */
function plain(fields: LogFields | undefined): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields ?? {})) result[name] = plainValue(value)
  return result
}

function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Error) {
    const code = (value as NodeJS.ErrnoException).code
    return { type: value.name, message: value.message, ...(code === undefined ? {} : { code }), stack: value.stack }
  }
  return value
}

function writeLine(fd: number, line: Line): void {
  try {
    writeSync(fd, `${JSON.stringify({ level: LEVEL_NUMBERS[line.level], ...line.fields, msg: line.message })}\n`)
  } catch {
    // Standard error is gone: there is nobody left to tell.
  }
}
