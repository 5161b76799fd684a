// Owns a broker that is treated badly, and the client beside it that must not notice: it produces, reads back and asks for metadata
// all the while. Never fails a test by itself: `check` does.
import { expect, vi } from 'vitest'
import { nativeBatchCodec } from '#native'
import { decodeBatches, fetch, metadata, produce } from '#protocol'
import { startBroker, type TestBroker, type TestBrokerOptions } from '#test-kit'
import { WireClient } from '../scenarios/wire-client.ts'
import { batchOf } from './answers/batches.ts'

/** Nothing waits for anybody else; this is only room for a busy machine. */
const ROUND_MS_MAX = 5000
const PAUSE_MS = 5
const TOPIC = 'bystander'

export class AttackedBroker {
  static async start(options: TestBrokerOptions = {}): Promise<AttackedBroker> {
    const forEver = { configs: { 'retention.ms': '-1' } }
    const kafka = await startBroker({
      ...options,
      topics: { [TOPIC]: forEver, ...options.topics },
      settings: { 'auto.create.topics.enable': 'false', ...options.settings },
    })
    return new AttackedBroker(kafka, await WireClient.open(kafka.port))
  }

  readonly kafka: TestBroker
  readonly #bystander: WireClient
  readonly #rssBytes = process.memoryUsage.rss()
  readonly #done: Promise<void>
  #offset = 0n
  #stopping = false
  #slowestMs = 0

  private constructor(kafka: TestBroker, bystander: WireClient) {
    this.kafka = kafka
    this.#bystander = bystander
    this.#done = this.#live()
    this.#done.catch(() => {})
  }

  get port(): number {
    return this.kafka.port
  }

  metric(name: string): number {
    return this.kafka.broker.metrics()[name] ?? 0
  }

  /** How far `names` move while `body` runs. */
  async counted(names: readonly string[], body: () => Promise<void>): Promise<number> {
    const sum = (): number => names.reduce((total, name) => total + this.metric(name), 0)
    const before = sum()
    await body()
    return sum() - before
  }

  /** The bystander goes on, was never slow, and nothing failed inside. */
  async check(): Promise<void> {
    const before = this.#offset
    await vi.waitFor(() => expect(this.#offset).toBeGreaterThan(before), { timeout: ROUND_MS_MAX, interval: 5 })
    expect(this.#slowestMs).toBeLessThan(ROUND_MS_MAX)
    expect(this.metric('ThreadPanicsTotal')).toBe(0)
    expect(this.metric('handlerFailures')).toBe(0)
  }

  get grownBytes(): number {
    return process.memoryUsage.rss() - this.#rssBytes
  }

  /** Every connection but the bystander's is closed and forgotten. */
  async checkForgotten(): Promise<void> {
    const open = (): number => this.metric('ConnectionsAcceptedTotal') - this.metric('ConnectionsClosedTotal')
    await vi.waitFor(() => expect(open()).toBe(1), { timeout: ROUND_MS_MAX })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#done.finally(() => this.kafka.stop())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #live(): Promise<void> {
    while (!this.#stopping) {
      const started = performance.now()
      await this.#round()
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - started)
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
    }
    this.#bystander.close()
  }

  async #round(): Promise<void> {
    const value = `round ${this.#offset}`
    const written = await this.#bystander.send(produce, 12, {
      acks: -1,
      timeoutMs: ROUND_MS_MAX,
      topicData: [{ name: TOPIC, partitionData: [{ index: 0, records: batchOf([value]) }] }],
    })
    const result = written.responses[0]?.partitionResponses[0]
    if (result?.errorCode !== 0 || result.baseOffset !== this.#offset) {
      throw new Error(`the bystander wrote at ${result?.baseOffset} with ${result?.errorCode}, not at ${this.#offset}`)
    }
    const read = await this.#bystander.send(fetch, 12, {
      maxWaitMs: ROUND_MS_MAX,
      minBytes: 1,
      topics: [{ topic: TOPIC, partitions: [{ partition: 0, fetchOffset: this.#offset, partitionMaxBytes: 1 << 20 }] }],
    })
    const records = read.responses[0]?.partitions[0]?.records ?? Buffer.alloc(0)
    const values = [...decodeBatches(records, nativeBatchCodec)].flatMap(batch =>
      [...batch.records()].map(record => String(record.value)),
    )
    if (values.length !== 1 || values[0] !== value) throw new Error(`the bystander read ${values} for ${value}`)
    const described = await this.#bystander.send(metadata, 12, { topics: [{ name: TOPIC }] })
    if (described.topics[0]?.errorCode !== 0) throw new Error('the bystander is told of no topic')
    this.#offset += 1n
  }
}

/** A frame behind its size, or behind another. */
export function sized(frame: Buffer, size = frame.length): Buffer {
  const head = Buffer.alloc(4)
  head.writeInt32BE(size)
  return Buffer.concat([head, frame])
}

/** What a new connection gets that sends `bytes`: an answer, the end of the connection, or neither in time. */
export async function reactionTo(port: number, bytes: Buffer, waitMs = 5000): Promise<Buffer | 'closed' | 'silent'> {
  const client = await WireClient.open(port)
  client.sendBytes(bytes)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'silent'>(resolve => {
    timer = setTimeout(() => resolve('silent'), waitMs)
  })
  const frame = await Promise.race([client.nextFrame(), late])
  clearTimeout(timer)
  client.close()
  return frame ?? 'closed'
}

/** Runs `each` over `items`, some at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  each: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (const item of rest) await each(item)
  }
  await Promise.all(Array.from({ length: width }, worker))
}
