// Owns the foreign producers of the fault tests: each runs through every outage until told to stop, and notes what was acknowledged to it.
// All ask for acks=all and are idempotent. Values are `name-number` (Java's `7.number`), counted up by each producer.
import { type ChildProcess, spawn } from 'node:child_process'
import { Kafka, logLevel } from 'kafkajs'
import { franzGoPath } from '../clients/toolbox/franz-go.mjs'
import { kafkaClassPath } from '../clients/toolbox/kafka-jars.mjs'

export interface Acknowledged {
  readonly partition: number
  readonly offset: number
  readonly value: string
  readonly key?: string
}

export interface Target {
  readonly bootstrap: string
  readonly topic: string
}

export interface ForeignProducer {
  readonly name: string
  readonly topic: string
  readonly acknowledged: Acknowledged[]
  stop(): Promise<void>
}

export function linesOf(child: ChildProcess, each: (line: string) => void) {
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', chunk => {
    rest += chunk
    const whole = rest.split('\n')
    rest = whole.pop() ?? ''
    for (const line of whole) each(line)
  })
}

export const closed = (child: ChildProcess) => new Promise<void>(done => child.once('close', () => done()))

export async function javaProducer({ bootstrap, topic }: Target): Promise<ForeignProducer> {
  const acknowledged: Acknowledged[] = []
  const java = [
    '-cp',
    await kafkaClassPath(),
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=off',
    '-XX:TieredStopAtLevel=1',
    'org.apache.kafka.tools.VerifiableProducer',
  ]
  const flags = {
    'bootstrap-server': bootstrap,
    topic,
    acks: '-1',
    throughput: '2000',
    'value-prefix': '7',
  }
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
  const child = spawn('java', [...java, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  linesOf(child, line => {
    if (!line.startsWith('{')) return
    const event = JSON.parse(line)
    if (event.name === 'producer_send_success')
      acknowledged.push({ partition: event.partition, offset: event.offset, value: event.value })
  })
  const over = closed(child)
  return {
    name: 'java',
    topic,
    acknowledged,
    async stop() {
      child.kill('SIGTERM')
      await over
    },
  }
}

export async function franzProducer({ bootstrap, topic }: Target): Promise<ForeignProducer> {
  const acknowledged: Acknowledged[] = []
  const child = spawn(await franzGoPath(), ['produce', bootstrap, topic, 'franz'], {
    // It tells of each record that it gave up, in every outage: those were not acknowledged.
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  linesOf(child, line => {
    const [partition, offset, value] = line.split(' ')
    acknowledged.push({ partition: Number(partition), offset: Number(offset), value: value ?? '' })
  })
  const over = closed(child)
  return {
    name: 'franz',
    topic,
    acknowledged,
    async stop() {
      child.stdin?.end('\n')
      await over
    },
  }
}

export interface KafkajsOptions extends Target {
  readonly name?: string
  readonly partitions: number
  /** Records take turns with this many keys; without it they have none. */
  readonly keys?: number
}

export async function kafkajsProducer(options: KafkajsOptions): Promise<ForeignProducer> {
  const { bootstrap, topic, partitions, keys, name = 'kafkajs' } = options
  const acknowledged: Acknowledged[] = []
  const kafka = new Kafka({
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1000,
    retry: { retries: 100, initialRetryTime: 50, maxRetryTime: 200 },
  })
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  let running = true
  const keyOf = (number: number) => (keys === undefined ? null : `key-${number % keys}`)
  const work = (async () => {
    for (let at = 0; running; at += 10) {
      const messages = Array.from({ length: 10 }, (_, index) => ({
        partition: (at / 10) % partitions,
        key: keyOf(at + index),
        value: `${name}-${at + index}`,
      }))
      try {
        const [result] = await producer.send({ topic, acks: -1, messages })
        const base = Number(result?.baseOffset)
        for (const [index, { partition, value, key }] of messages.entries())
          acknowledged.push({ partition, offset: base + index, value, ...(key === null ? {} : { key }) })
      } catch {
        // Not acknowledged: nothing was promised.
      }
    }
  })()
  return {
    name,
    topic,
    acknowledged,
    async stop() {
      running = false
      await work
      await producer.disconnect()
    },
  }
}

/** Waits until each producer has had more than `count` acknowledgements beyond its floor: a life of the broker without them proves nothing. */
export async function progress(producers: readonly ForeignProducer[], floor: readonly number[], count = 20) {
  const deadline = Date.now() + 60_000
  while (!producers.every((producer, index) => producer.acknowledged.length > (floor[index] ?? 0) + count)) {
    if (Date.now() > deadline)
      throw new Error(
        `no progress: ${producers.map((each, index) => `${each.name} ${floor[index]} → ${each.acknowledged.length}`).join(', ')}`,
      )
    await pause(20)
  }
}

export const pause = (ms: number) => new Promise<void>(done => setTimeout(done, ms))
