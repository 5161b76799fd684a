// Owns the double of the host for tests: time stands still until advance(), randomness follows a seed, files live in memory.
// Invariant: timers fire in order of their deadline, equal ones in the order they were set, each at its own deadline.
import type { Clock } from './clock.ts'
import { drawUuid, type Entropy } from './entropy.ts'
import type { Files } from './files.ts'
import type { Host } from './host.ts'
import type { LogFields, Logger, LogLevel } from './logger.ts'
import type { Timer, Timers } from './timers.ts'

export interface LoggedLine {
  readonly level: Exclude<LogLevel, 'silent'>
  readonly name: string
  readonly message: string
  readonly fields: LogFields
}

export interface ManualHost extends Host {
  /** Moves both clocks on, firing what falls due on the way, also timers set by what fires. */
  advance(byMs: number): void
  /** How many timers wait to fire. */
  readonly pendingTimers: number
  /** Everything logged so far. */
  readonly lines: readonly LoggedLine[]
}

export interface ManualHostOptions {
  readonly nowMs?: number
  readonly seed?: number
}

export function manualHost(options: ManualHostOptions = {}): ManualHost {
  const time = new ManualTime(options.nowMs ?? 1_700_000_000_000)
  const lines: LoggedLine[] = []
  return {
    clock: time,
    timers: time,
    entropy: seededEntropy(options.seed ?? 1),
    files: new MemoryFiles(),
    logger: recordingLogger(lines, ''),
    lines,
    advance: byMs => time.advance(byMs),
    get pendingTimers() {
      return time.pending
    },
  }
}

interface ManualTimer {
  readonly atMs: number
  readonly order: number
  readonly fire: () => void
}

class ManualTime implements Clock, Timers {
  readonly #startMs: number
  #elapsedMs = 0
  #order = 0
  readonly #timers = new Set<ManualTimer>()

  constructor(startMs: number) {
    this.#startMs = startMs
  }

  get pending(): number {
    return this.#timers.size
  }

  nowMs(): number {
    return this.#startMs + Math.floor(this.#elapsedMs)
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { atMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, fire }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  advance(byMs: number): void {
    const untilMs = this.#elapsedMs + byMs
    for (let due = this.#next(untilMs); due; due = this.#next(untilMs)) {
      this.#timers.delete(due)
      this.#elapsedMs = Math.max(this.#elapsedMs, due.atMs)
      due.fire()
    }
    this.#elapsedMs = untilMs
  }

  #next(untilMs: number): ManualTimer | undefined {
    let next: ManualTimer | undefined
    for (const timer of this.#timers) {
      if (timer.atMs > untilMs) continue
      if (!next || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) next = timer
    }
    return next
  }
}

/** splitmix32: small, seeded, good enough to draw names and ids in a test. */
function seededEntropy(seed: number): Entropy {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
  const bytes = (count: number): Buffer => Buffer.from(Array.from({ length: count }, () => next() & 0xff))
  return { bytes, uuid: () => drawUuid(bytes), int: maxExclusive => next() % maxExclusive }
}

class MemoryFiles implements Files {
  readonly #files = new Map<string, Buffer>()

  read(path: string): Buffer | null {
    return this.#files.get(path) ?? null
  }

  readAt(path: string, position: number, maxBytes: number): Buffer {
    return this.#existing(path).subarray(position, position + maxBytes)
  }

  sizeBytes(path: string): number {
    return this.#existing(path).length
  }

  exists(path: string): boolean {
    return this.#files.has(path) || this.list(path).length > 0
  }

  list(directory: string): string[] {
    const names = new Set<string>()
    for (const path of this.#files.keys()) {
      if (path.startsWith(`${directory}/`)) names.add(path.slice(directory.length + 1).split('/')[0] as string)
    }
    return [...names].sort()
  }

  makeDirectory(): void {}

  remove(path: string): void {
    this.#files.delete(path)
  }

  async writeAtomic(path: string, data: string | Uint8Array): Promise<void> {
    this.writeAtomicSync(path, data)
  }

  writeAtomicSync(path: string, data: string | Uint8Array): void {
    this.#files.set(path, Buffer.from(data as string))
  }

  #existing(path: string): Buffer {
    const file = this.#files.get(path)
    if (!file) throw Object.assign(new Error(`ENOENT: no such file '${path}'`), { code: 'ENOENT' })
    return file
  }
}

function recordingLogger(lines: LoggedLine[], name: string): Logger {
  const at =
    (level: LoggedLine['level']) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push({ level, name, message, fields })
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: child => recordingLogger(lines, name === '' ? child : `${name}.${child}`),
  }
}
