// Owns producers (KafkaJS, acks=all) that note what was acknowledged, and the comparison with what a foreign reader then finds.
import { Kafka, logLevel } from 'kafkajs'
import { kcat } from '../clients/toolbox/kcat.mjs'

export interface Acknowledged {
  readonly partition: number
  readonly offset: number
  readonly value: string
}

export interface Load {
  readonly acknowledged: Acknowledged[]
  /** Sends that were refused, by the name of the error. */
  readonly refused: Map<string, number>
  stop(): Promise<void>
}

export interface LoadOptions {
  readonly bootstrap: string
  readonly topic: string
  /** One producer for each; it sends to this partition alone. */
  readonly partitions: readonly number[]
  readonly valueBytes: number
  readonly recordsPerSend: number
  /** Begins the values, so that those of two loads differ. */
  readonly name: string
}

/** The reader finds the end by a fetch that waits for more: not for long. */
const quick = ['-X', 'fetch.wait.max.ms=10']

/** Runs until stopped. What fails is sent no more: it was not acknowledged, so nothing was promised. */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const { bootstrap, topic, partitions, valueBytes, recordsPerSend, name } = options
  const kafka = new Kafka({
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1000,
    requestTimeout: 1000,
    retry: { retries: 0, initialRetryTime: 20, maxRetryTime: 50 },
  })
  const load: Load = {
    acknowledged: [],
    refused: new Map(),
    async stop() {
      running = false
      await Promise.all(work)
    },
  }
  let running = true
  const produce = async (partition: number) => {
    const producer = kafka.producer({ maxInFlightRequests: 1 })
    let sent = 0
    try {
      await producer.connect()
      while (running) {
        const values = Array.from({ length: recordsPerSend }, () =>
          `${name}-${partition}-${sent++}-`.padEnd(valueBytes, 'x'),
        )
        try {
          const [result] = await producer.send({
            topic,
            acks: -1,
            messages: values.map(value => ({ partition, value })),
          })
          const base = Number(result?.baseOffset)
          values.forEach((value, index) => load.acknowledged.push({ partition, offset: base + index, value }))
        } catch (error) {
          const { type, name: kind, cause } = error as { type?: string; name: string; cause?: { type?: string } }
          const reason = type ?? cause?.type ?? kind
          load.refused.set(reason, (load.refused.get(reason) ?? 0) + 1)
          await new Promise(done => setTimeout(done, 10))
        }
      }
    } catch {
      // The broker went before the producer had connected.
    } finally {
      // There may be no broker to say goodbye to.
      await producer.disconnect().catch(() => {})
    }
  }
  const work = partitions.map(produce)
  return load
}

/** Waits until this much was acknowledged in all. */
export async function acknowledgedAtLeast(load: Load, count: number, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (load.acknowledged.length < count) {
    if (Date.now() > deadline)
      throw new Error(`${load.acknowledged.length} acknowledged, refused: ${JSON.stringify([...load.refused])}`)
    await new Promise(done => setTimeout(done, 5))
  }
}

/** Everything a partition holds from `offset` on, by offset. */
export async function readFrom(
  bootstrap: string,
  topic: string,
  partition: number,
  offset: number,
): Promise<Map<number, string>> {
  const where = ['-t', topic, '-p', String(partition), '-o', String(offset)]
  const { stdout } = await kcat(['-b', bootstrap, '-q', ...quick, '-C', ...where, '-e', '-f', '%o %s\n'])
  const read = new Map<number, string>()
  for (const line of stdout.split('\n')) {
    const space = line.indexOf(' ')
    if (space > 0) read.set(Number(line.slice(0, space)), line.slice(space + 1))
  }
  return read
}

/** Those of `acknowledged` that are not where they were acknowledged. */
export async function lostOf(
  bootstrap: string,
  topic: string,
  acknowledged: readonly Acknowledged[],
): Promise<Acknowledged[]> {
  const partitions = [...new Set(acknowledged.map(each => each.partition))]
  const lost = partitions.map(async partition => {
    const own = acknowledged.filter(each => each.partition === partition)
    const first = own.reduce((least, { offset }) => Math.min(least, offset), Number.MAX_SAFE_INTEGER)
    // Reading from a place beyond the end is an error of the reader's, not a loss by itself.
    const read = await readFrom(bootstrap, topic, partition, Math.min(first, await endOf(bootstrap, topic, partition)))
    return own.filter(({ offset, value }) => read.get(offset) !== value)
  })
  return (await Promise.all(lost)).flat()
}

async function endOf(bootstrap: string, topic: string, partition: number): Promise<number> {
  const { stdout } = await kcat(['-b', bootstrap, ...quick, '-Q', '-t', `${topic}:${partition}:-1`])
  return Number(/offset (\d+)/.exec(stdout)?.[1] ?? 0)
}
