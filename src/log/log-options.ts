// Owns the options of a log: names, defaults, checks. Invariant: what passes has every value and no name that is not known.
import { nearestName } from '#config'
import { LogError } from './log-error.ts'
import type { Codec } from './record-input.ts'

/** What an append waits for before its `durable` promise resolves.
 *  - `memory`: nothing; the record is in this process and is written within the turn of the event loop.
 *  - `written`: it is in the file: the death of the process cannot take it back.
 *  - `fsync`: it is on the disk: power loss cannot either. */
export type Ack = 'memory' | 'written' | 'fsync'

export interface LogOptions<Value = Buffer> {
  /** Default `written`; an append may ask for another. */
  readonly ack?: Ack
  /** Opens for reading only: no lock, any number of readers, beside the writer or without one. */
  readonly readOnly?: boolean
  /** Turns values into bytes and back; without one values are Buffers. */
  readonly codec?: Codec<Value>
  /** A segment file never grows beyond it. Default 1 GiB. */
  readonly segmentBytes?: number
  /** A new segment begins when the first record of the active one is older. Default seven days. */
  readonly segmentMs?: number
  /** Whole old segments go while more than this is kept. Default: no limit. */
  readonly retentionBytes?: number
  /** Whole segments go when their newest record is older. Default: no limit. */
  readonly retentionMs?: number
  /** Bytes of batches between two entries of the offset index. Default 4096. */
  readonly indexIntervalBytes?: number
  /** How long the files of a deleted segment stay, renamed to `.deleted`. Default 60 s. */
  readonly fileDeleteDelayMs?: number
  /** Checksums are computed when batches are first read. Default true. */
  readonly verifyChecksums?: boolean
  /** Bytes of records in one batch, and of one slot of the arena. Default 256 KiB. */
  readonly batchBytes?: number
  /** Batches that may wait to be written; an append beyond that waits, as a write to a file does. Default 16. */
  readonly batchesInFlight?: number
}

export type CheckedOptions<Value> = Required<Omit<LogOptions<Value>, 'codec' | 'retentionBytes' | 'retentionMs'>> & {
  readonly codec: Codec<Value> | null
  readonly retentionBytes: number | null
  readonly retentionMs: number | null
}

const GIB = 1024 ** 3
const ACKS: readonly unknown[] = ['memory', 'written', 'fsync'] satisfies readonly Ack[]

interface NumberOption {
  readonly kind: 'number'
  readonly fallback: number | null
  readonly min: number
  readonly max: number
}

const options = {
  ack: { kind: 'ack' },
  readOnly: { kind: 'boolean', fallback: false },
  codec: { kind: 'codec' },
  segmentBytes: { kind: 'number', fallback: GIB, min: 1024 * 1024, max: 2 ** 31 - 1 },
  segmentMs: { kind: 'number', fallback: 7 * 24 * 3_600_000, min: 1, max: Number.MAX_SAFE_INTEGER },
  retentionBytes: { kind: 'number', fallback: null, min: 0, max: Number.MAX_SAFE_INTEGER },
  retentionMs: { kind: 'number', fallback: null, min: 0, max: Number.MAX_SAFE_INTEGER },
  indexIntervalBytes: { kind: 'number', fallback: 4096, min: 0, max: 2 ** 31 - 1 },
  fileDeleteDelayMs: { kind: 'number', fallback: 60_000, min: 0, max: Number.MAX_SAFE_INTEGER },
  verifyChecksums: { kind: 'boolean', fallback: true },
  batchBytes: { kind: 'number', fallback: 256 * 1024, min: 1024, max: 1024 * 1024 },
  batchesInFlight: { kind: 'number', fallback: 16, min: 2, max: 1024 },
} as const satisfies Record<
  keyof LogOptions,
  { kind: 'ack' | 'codec' } | { kind: 'boolean'; fallback: boolean } | NumberOption
>

export function checkOptions<Value>(given: LogOptions<Value>): CheckedOptions<Value> {
  refuseUnknown(given, options, 'openLog')
  const checked: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(options)) {
    const value = (given as Record<string, unknown>)[name]
    switch (option.kind) {
      case 'ack':
        checked[name] = value === undefined ? 'written' : checkAck(value)
        break
      case 'codec':
        checked[name] = value === undefined ? null : checkCodec(value)
        break
      case 'boolean':
        if (value !== undefined && typeof value !== 'boolean') throw wrong(`${name} is true or false`)
        checked[name] = value ?? option.fallback
        break
      case 'number':
        checked[name] = value === undefined ? option.fallback : checkNumber(name, value, option)
        break
      default:
        option satisfies never
    }
  }
  return checked as unknown as CheckedOptions<Value>
}

export function checkAck(value: unknown): Ack {
  if (!ACKS.includes(value)) throw wrong(`ack is 'memory', 'written' or 'fsync', not ${String(value)}`)
  return value as Ack
}

function checkCodec(value: unknown): unknown {
  const codec = value as Partial<Codec<unknown>> | null
  if (typeof codec?.encode !== 'function' || typeof codec.decode !== 'function') {
    throw wrong('codec is an object with the functions encode and decode')
  }
  return codec
}

function checkNumber(name: string, value: unknown, { min, max }: NumberOption): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw wrong(`${name} is a whole number from ${min} to ${max}, not ${String(value)}`)
  }
  return value
}

/** Names the first option nobody knows, and what was probably meant. */
export function refuseUnknown(given: object, known: object, of: string): void {
  if (given === null || typeof given !== 'object') throw wrong(`the options of ${of} are an object`)
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue
    const nearest = nearestName(name, Object.keys(known))
    throw wrong(`${of} has no option '${name}'${nearest === null ? '' : `; did you mean '${nearest}'?`}`)
  }
}

const wrong = (message: string): LogError => new LogError('INVALID_ARGUMENT', message)
