// Owns the work of `millrace consume`: which partitions, from where, until when, in which form.
// Invariant: with --group each record is written before the next is asked for, and nothing is committed once the reader has gone.
import { type Assignment, Consumer, type ConsumerRecord, type OffsetSpec, type ReadOptions } from '#client'
import { tellingFailures } from './client-failure.ts'
import { connectionOptions } from './connection-flags.ts'
import type { ConsumeFlags } from './consume-command.ts'
import { CommandFailure, ExitCode } from './exit-codes.ts'
import { Interruption } from './interruption.ts'
import { parseOffset } from './offset-language.ts'
import { recordToJson } from './record-json.ts'
import { StandardOutput } from './standard-output.ts'

/** Written together: a write a record would cost more than the record. */
const CHUNK_BYTES = 32 * 1024
/** With no more at hand, what has gathered is shown after this long. */
const SHOW_AFTER_MS = 20

const LINE_FEED = Buffer.from('\n')
const NULL = Buffer.from('null')

export async function consume(flags: ConsumeFlags, ...topics: string[]): Promise<void> {
  const spec = startOf(flags)
  const output = new StandardOutput()
  const interruption = new Interruption()
  const signal = AbortSignal.any([interruption.signal, output.gone])
  // Whoever starts at the end wants what is still to come.
  const follows = flags.follow || (spec === 'latest' && flags.group === undefined)
  try {
    await tellingFailures(() => read({ ...flags, follow: follows }, topics, { spec, output, signal }))
    await output.flush()
  } finally {
    interruption.end()
  }
  // Ctrl-C is how one stops following; any other time something was cut short.
  if (interruption.status !== undefined && !follows) process.exitCode = interruption.status
}

interface Reading {
  readonly spec: OffsetSpec
  readonly output: StandardOutput
  readonly signal: AbortSignal
}

async function read(flags: ConsumeFlags, topics: readonly string[], { spec, output, signal }: Reading): Promise<void> {
  const connection = connectionOptions(flags)
  const consumer = new Consumer({
    ...connection,
    ...(flags.group === undefined ? {} : { groupId: flags.group }),
    autoOffsetReset: typeof spec === 'string' && spec !== 'committed' ? spec : 'none',
    // --follow outlives a restart of the broker; otherwise somebody waits for the end.
    ...(flags.follow ? {} : { stallTimeoutMs: connection.apiTimeoutMs }),
  })
  try {
    if (flags.group !== undefined) consumer.subscribe(topics)
    else consumer.assign(await assignmentsOf(consumer, topics, { partitions: flags.partition, spec, signal }))
    await printRecords(consumer, flags, output, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await consumer.close({ commit: !output.gone.aborted })
  }
}

function startOf(flags: ConsumeFlags): OffsetSpec {
  if (flags.fromBeginning && flags.offset !== undefined)
    throw new CommandFailure(ExitCode.USAGE, '--from-beginning and --offset exclude each other')
  const spec = parseOffset(flags.offset ?? 'start', Date.now())
  if (flags.group !== undefined) {
    if (flags.partition !== undefined)
      throw new CommandFailure(
        ExitCode.USAGE,
        '--group and --partition exclude each other: a group deals its partitions itself',
      )
    if (typeof spec === 'object')
      throw new CommandFailure(
        ExitCode.USAGE,
        'with --group, --offset is start or end: where to begin when the group has no offset yet',
      )
  }
  return spec
}

interface Wanted {
  /** All of each topic unless given. */
  readonly partitions: readonly number[] | undefined
  readonly spec: OffsetSpec
  readonly signal: AbortSignal
}

async function assignmentsOf(
  consumer: Consumer,
  topics: readonly string[],
  wanted: Wanted,
): Promise<readonly Assignment[]> {
  const assignments: Assignment[] = []
  for (const topic of new Set(topics)) {
    const all = await consumer.partitionsOf(topic, { signal: wanted.signal })
    for (const partition of new Set(wanted.partitions ?? all))
      assignments.push({ topic, partition, offset: wanted.spec })
  }
  return assignments
}

async function printRecords(
  consumer: Consumer,
  flags: ConsumeFlags,
  output: StandardOutput,
  signal: AbortSignal,
): Promise<void> {
  const options: ReadOptions = {
    signal,
    ...(flags.follow ? {} : { until: 'end' as const }),
    ...(flags.num === undefined ? {} : { limit: flags.num }),
  }
  const format = recordFormat(flags)
  const page = new Page(output, flags.group === undefined ? CHUNK_BYTES : 0)
  try {
    for await (const record of consumer.records(options)) await page.add(format(record))
  } finally {
    await page.show()
  }
}

/** Gathers lines and shows them together, when there are enough or a moment has passed. */
class Page {
  readonly #output: StandardOutput
  readonly #enoughBytes: number
  #parts: Buffer[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(output: StandardOutput, enoughBytes: number) {
    this.#output = output
    this.#enoughBytes = enoughBytes
  }

  async add(parts: readonly Buffer[]): Promise<void> {
    for (const part of parts) {
      this.#parts.push(part)
      this.#bytes += part.length
    }
    if (this.#bytes >= this.#enoughBytes) return this.show()
    this.#timer ??= setTimeout(() => void this.show(), SHOW_AFTER_MS)
  }

  async show(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#bytes === 0) return
    const bytes = Buffer.concat(this.#parts)
    this.#parts = []
    this.#bytes = 0
    await this.#output.write(bytes)
  }
}

function recordFormat(flags: ConsumeFlags): (record: ConsumerRecord) => readonly Buffer[] {
  if (flags.json) return record => [Buffer.from(`${recordToJson(record)}\n`)]
  if (!flags.printKey) return record => [record.value ?? NULL, LINE_FEED]
  const separator = Buffer.from(flags.keySeparator)
  return record => [record.key ?? NULL, separator, record.value ?? NULL, LINE_FEED]
}
