// Owns the work of `millrace produce`: lines in, records out, at the pace the broker takes them.
// Invariant: every line read is sent or named in an error, and the exit status is 0 only when all were stored as --acks asks.
import { KafkaError, Producer, type ProducerRecord, type SendResult } from '#client'
import { clientFailure, tellingFailures } from './client-failure.ts'
import { connectionOptions } from './connection-flags.ts'
import { CommandFailure, ExitCode } from './exit-codes.ts'
import { inputLines } from './input-lines.ts'
import { Interruption } from './interruption.ts'
import type { ProduceFlags } from './produce-command.ts'
import { recordFromJson } from './record-json.ts'

/** Unsettled bytes at which reading waits: below the producer's own bound, so that waiting never turns into a timeout. */
const UNSETTLED_BYTES_MAX = 16 * 1024 * 1024

export async function produce(flags: ProduceFlags, topic: string): Promise<void> {
  if (flags.json && (flags.keySeparator !== undefined || flags.key !== undefined)) {
    throw new CommandFailure(ExitCode.USAGE, '--json lines have their own keys: leave out --key and --key-separator')
  }
  if (flags.key !== undefined && flags.keySeparator !== undefined)
    throw new CommandFailure(ExitCode.USAGE, '--key and --key-separator exclude each other')
  if (flags.keySeparator === '') throw new CommandFailure(ExitCode.USAGE, '--key-separator must not be empty')
  const interruption = new Interruption()
  try {
    await tellingFailures(() => send(flags, topic, interruption))
  } finally {
    interruption.end()
  }
  if (interruption.status !== undefined) process.exitCode = interruption.status
}

async function send(flags: ProduceFlags, topic: string, interruption: Interruption): Promise<void> {
  if (process.stdin.isTTY) process.stderr.write(`One record a line into ${topic}; Ctrl-D ends.\n`)
  const connection = connectionOptions(flags)
  const producer = new Producer({
    ...connection,
    maxBlockMs: connection.apiTimeoutMs,
    acks: flags.acks === 'all' ? 'all' : flags.acks === '1' ? 1 : 0,
    compression: flags.compression,
  })
  const tally = new Tally()
  try {
    await sendLines(flags, topic, { producer, tally, signal: interruption.signal })
  } finally {
    process.stdin.destroy()
    await producer.close()
    await tally.all()
    if (process.stderr.isTTY)
      process.stderr.write(`${tally.sent} ${tally.sent === 1 ? 'record' : 'records'} sent to ${topic}\n`)
  }
  tally.throwFailures()
}

interface Sending {
  readonly producer: Producer
  readonly tally: Tally
  readonly signal: AbortSignal
}

async function sendLines(flags: ProduceFlags, topic: string, { producer, tally, signal }: Sending): Promise<void> {
  const toRecord = recordMaker(flags, topic)
  let left = flags.count ?? Number.POSITIVE_INFINITY
  for await (const lines of interruptible(inputLines(process.stdin), signal)) {
    const records: ProducerRecord[] = []
    try {
      for (const line of lines.slice(0, left)) records.push(toRecord(line))
    } finally {
      // Also when a line is malformed: those before it are sent.
      left -= records.length
      if (records.length > 0) tally.add(producer.sendSettled(records))
    }
    while (producer.bufferedBytes > UNSETTLED_BYTES_MAX && tally.isWaiting) await tally.oldest()
    if (left <= 0 || tally.hasFailed) return
  }
}

/** Outcomes of what was sent, without a promise kept for each record. */
class Tally {
  sent = 0
  #failed = 0
  #first: KafkaError | undefined
  readonly #open = new Set<Promise<void>>()

  get hasFailed(): boolean {
    return this.#failed > 0
  }

  get isWaiting(): boolean {
    return this.#open.size > 0
  }

  add(results: Promise<readonly SendResult[]>): void {
    const settled: Promise<void> = results.then(all => {
      for (const result of all) this.#count(result)
      this.#open.delete(settled)
    })
    this.#open.add(settled)
  }

  async oldest(): Promise<void> {
    for (const settled of this.#open) return settled
  }

  async all(): Promise<void> {
    await Promise.all(this.#open)
  }

  throwFailures(): void {
    if (!this.#first) return
    const failure = clientFailure(this.#first) as CommandFailure
    const total = this.sent + this.#failed
    throw total === 1
      ? failure
      : new CommandFailure(failure.exitCode, `${this.#failed} of ${total} records were not sent: ${failure.message}`, {
          cause: this.#first,
        })
  }

  #count(result: SendResult): void {
    if (!(result instanceof KafkaError)) {
      this.sent += 1
      return
    }
    this.#failed += 1
    this.#first ??= result
  }
}

function recordMaker(flags: ProduceFlags, topic: string): (line: Buffer) => ProducerRecord {
  const headers = (flags.header ?? []).map(([key, value]) => ({ key, value: Buffer.from(value) }))
  const placed = flags.partition === undefined ? {} : { partition: flags.partition }
  const extras = { ...placed, ...(headers.length === 0 ? {} : { headers }) }
  const isPlain = Object.keys(extras).length === 0
  const separator = flags.keySeparator === undefined ? undefined : Buffer.from(flags.keySeparator)
  const fixedKey = flags.key === undefined ? null : Buffer.from(flags.key)
  let lineNumber = 0
  const toRecord = (key: Buffer | null, bytes: Buffer): ProducerRecord => {
    const value = flags.tombstone && bytes.length === 0 ? null : bytes
    // One shape and no spread for what nearly every line is.
    return isPlain ? { topic, key, value } : { topic, key, value, ...extras }
  }
  if (flags.json) {
    return line => {
      lineNumber += 1
      try {
        // What the line says goes before what the command line says.
        return { topic, ...extras, ...recordFromJson(line.toString('utf8')) }
      } catch (cause) {
        throw new CommandFailure(ExitCode.USAGE, `line ${lineNumber} is no JSON record: ${(cause as Error).message}`, {
          cause,
        })
      }
    }
  }
  return line => {
    lineNumber += 1
    if (!separator) return toRecord(fixedKey, line)
    const at = line.indexOf(separator)
    if (at < 0)
      throw new CommandFailure(
        ExitCode.USAGE,
        `line ${lineNumber} has no key: it does not contain '${flags.keySeparator}'`,
      )
    return toRecord(line.subarray(0, at), line.subarray(at + separator.length))
  }
}

/** Ends, quietly, when the signal aborts: what was read until then is still sent. */
async function* interruptible<T>(source: AsyncGenerator<T>, signal: AbortSignal): AsyncGenerator<T> {
  const aborted = new Promise<IteratorResult<T>>(resolve => {
    signal.addEventListener('abort', () => resolve({ done: true, value: undefined }), { once: true })
  })
  for (;;) {
    const next = await Promise.race([source.next(), aborted])
    if (next.done) return
    yield next.value
  }
}
