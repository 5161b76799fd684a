// kill -9 under three foreign producers (Java, franz-go, KafkaJS), acks=all: after every restart, each acknowledged record is where it was
// acknowledged, and each producer's records are in order. MILLRACE_KILL_CYCLES sets the number of cycles (the long run: 25 and more).
import { type ChildProcess, spawn } from 'node:child_process'
import { Kafka, logLevel, type Producer } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts'
import { franzGoPath } from './toolbox/franz-go.mjs'
import { kafkaClassPath } from './toolbox/kafka-jars.mjs'
import { kcat } from './toolbox/kcat.mjs'
import { kafkaAdmin } from './topics.ts'

const cycles = Number(process.env.MILLRACE_KILL_CYCLES ?? 5)
const topic = 'kill-nine'
const partitions = 3

let broker: BrokerProcess
beforeAll(async () => {
  broker = await startBrokerProcess()
  await kafkaAdmin(broker.bootstrap, admin =>
    admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] }),
  )
})
afterAll(() => broker.remove())

interface Acknowledged {
  readonly partition: number
  readonly offset: number
  readonly value: string
}

/** A foreign producer that runs until told to stop and notes what was acknowledged. */
interface ForeignProducer {
  readonly name: string
  readonly acknowledged: Acknowledged[]
  stop(): Promise<void>
}

function linesOf(child: ChildProcess, each: (line: string) => void) {
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', chunk => {
    rest += chunk
    const whole = rest.split('\n')
    rest = whole.pop() ?? ''
    for (const line of whole) each(line)
  })
}

const ended = (child: ChildProcess) => new Promise<void>(done => child.once('close', () => done()))

async function javaProducer(): Promise<ForeignProducer> {
  const acknowledged: Acknowledged[] = []
  const args = [
    '-cp',
    await kafkaClassPath(),
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=off',
    '-XX:TieredStopAtLevel=1',
    'org.apache.kafka.tools.VerifiableProducer',
  ]
  const child = spawn(
    'java',
    [
      ...args,
      '--bootstrap-server',
      broker.bootstrap,
      '--topic',
      topic,
      '--acks',
      '-1',
      '--throughput',
      '2000',
      '--value-prefix',
      '7',
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  linesOf(child, line => {
    if (!line.startsWith('{')) return
    const event = JSON.parse(line)
    if (event.name === 'producer_send_success')
      acknowledged.push({ partition: event.partition, offset: event.offset, value: event.value })
  })
  const over = ended(child)
  return {
    name: 'java',
    acknowledged,
    async stop() {
      child.kill('SIGTERM')
      await over
    },
  }
}

async function franzProducer(): Promise<ForeignProducer> {
  const acknowledged: Acknowledged[] = []
  const child = spawn(await franzGoPath(), ['produce', broker.bootstrap, topic, 'franz'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  linesOf(child, line => {
    const [partition, offset, value] = line.split(' ')
    acknowledged.push({ partition: Number(partition), offset: Number(offset), value: value ?? '' })
  })
  const over = ended(child)
  return {
    name: 'franz',
    acknowledged,
    async stop() {
      child.stdin?.end('\n')
      await over
    },
  }
}

async function kafkajsProducer(): Promise<ForeignProducer> {
  const acknowledged: Acknowledged[] = []
  const kafka = new Kafka({
    brokers: [broker.bootstrap],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1000,
    retry: { retries: 100, initialRetryTime: 50, maxRetryTime: 200 },
  })
  const producer: Producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  let running = true
  const work = (async () => {
    for (let at = 0; running; at += 10) {
      const messages = Array.from({ length: 10 }, (_, index) => ({
        partition: at % partitions,
        value: `kafkajs-${at + index}`,
      }))
      try {
        const [result] = await producer.send({ topic, acks: -1, messages })
        const base = Number(result?.baseOffset)
        for (const [index, message] of messages.entries())
          acknowledged.push({ partition: message.partition, offset: base + index, value: message.value })
      } catch {
        // Not acknowledged: nothing was promised.
      }
    }
  })()
  return {
    name: 'kafkajs',
    acknowledged,
    async stop() {
      running = false
      await work
      await producer.disconnect()
    },
  }
}

async function readAll(): Promise<Map<number, Map<number, string>>> {
  const { stdout } = await kcat([
    '-b',
    broker.bootstrap,
    '-q',
    '-C',
    '-t',
    topic,
    '-o',
    'beginning',
    '-e',
    '-f',
    '%p %o %s\n',
  ])
  const read = new Map<number, Map<number, string>>()
  for (const line of stdout.split('\n')) {
    if (line === '') continue
    const [partition, offset, value] = line.split(' ')
    const log = read.get(Number(partition)) ?? new Map<number, string>()
    expect(log.has(Number(offset))).toBe(false)
    log.set(Number(offset), value ?? '')
    read.set(Number(partition), log)
  }
  return read
}

/** Number at the end of a value: `franz-12` and Java's `7.12` both count up. */
const sequence = (value: string) => Number(value.split(/[-.]/).at(-1))
const sender = (value: string) => value.split(/[-.]/)[0]

test(
  `${cycles} cycles of kill -9 lose no acknowledged record and keep each producer's order`,
  async () => {
    const producers = [await javaProducer(), await franzProducer(), await kafkajsProducer()]
    const floor = producers.map(() => 0)
    for (let cycle = 0; cycle < cycles; cycle += 1) {
      // Every producer must have gotten somewhere in this life of the broker, or the cycle proves nothing.
      const deadline = Date.now() + 30_000
      while (!producers.every((producer, index) => producer.acknowledged.length > (floor[index] ?? 0) + 20)) {
        if (Date.now() > deadline)
          throw new Error(
            `no progress in cycle ${cycle}: ${producers.map(each => `${each.name} ${each.acknowledged.length}`).join(', ')}`,
          )
        await new Promise(done => setTimeout(done, 20))
      }
      await new Promise(done => setTimeout(done, 100 + ((cycle * 137) % 300)))
      expect(await broker.stop('SIGKILL')).toBe('SIGKILL')
      for (const [index, producer] of producers.entries()) floor[index] = producer.acknowledged.length
      await broker.restart()
    }
    await Promise.all(producers.map(producer => producer.stop()))
    const read = await readAll()
    let lost = 0
    let total = 0
    for (const producer of producers) {
      for (const { partition, offset, value } of producer.acknowledged) {
        total += 1
        if (read.get(partition)?.get(offset) !== value) lost += 1
      }
    }
    let disordered = 0
    for (const log of read.values()) {
      const last = new Map<string | undefined, number>()
      for (const [, value] of [...log].sort(([a], [b]) => a - b)) {
        const from = sender(value)
        if (sequence(value) < (last.get(from) ?? -1)) disordered += 1
        last.set(from, sequence(value))
      }
    }
    process.stdout.write(
      `kill -9: ${cycles} cycles, ${total} acknowledged records (${producers.map(each => `${each.name} ${each.acknowledged.length}`).join(', ')}), ${lost} lost, ${disordered} out of order\n`,
    )
    expect(lost).toBe(0)
    expect(disordered).toBe(0)
  },
  60_000 + cycles * 40_000,
)
