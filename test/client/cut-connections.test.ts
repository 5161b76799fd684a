// Producer, consumer and group while a proxy keeps cutting their connections to a real broker: nothing lost, nothing twice, in order.
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Admin, Consumer, Producer } from '#client'
import { startBroker, type TestBroker } from '#test-kit'
import { freshName } from './broker-under-test.ts'

/** Forwards to the broker; cut() breaks every connection, in the middle of whatever is on its way. */
class Proxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  target = 0
  cuts = 0

  static async start(): Promise<Proxy> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new Proxy(server)
  }

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', near => {
      const far = connect(this.target, '127.0.0.1')
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from)
        from
          .on('error', () => {})
          .on('close', () => {
            this.#sockets.delete(from)
            to.destroy()
          })
        from.pipe(to)
      }
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  cut(): void {
    this.cuts += 1
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Cuts again and again, at varying distances, until told to stop. */
  keepCutting(minMs: number, maxMs: number): () => void {
    let timer: NodeJS.Timeout
    const next = (): void => {
      timer = setTimeout(
        () => {
          this.cut()
          next()
        },
        minMs + Math.random() * (maxMs - minMs),
      )
    }
    next()
    return () => clearTimeout(timer)
  }

  async stop(): Promise<void> {
    this.cut()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }
}

let proxy: Proxy
let broker: TestBroker
beforeAll(async () => {
  proxy = await Proxy.start()
  broker = await startBroker({ settings: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` } })
  proxy.target = broker.port
})
afterAll(async () => {
  await broker.stop()
  await proxy.stop()
})

const PARTITIONS = 3
const RECORDS = 6_000
const options = () => ({ bootstrapServers: `127.0.0.1:${proxy.port}`, retryBackoffMs: 10, retryBackoffMaxMs: 100 })

async function makeTopic(): Promise<string> {
  const topic = freshName('cut')
  await using admin = new Admin(options())
  expect((await admin.createTopics([{ name: topic, partitions: PARTITIONS }]))[0]?.error).toBeNull()
  return topic
}

test('an idempotent producer stores each record once and in order, and a reader reads them so', async () => {
  const topic = await makeTopic()
  const producer = new Producer({ ...options(), batchBytes: 1_000, lingerMs: 1 })
  let stop = proxy.keepCutting(15, 60)
  const sends: Promise<unknown>[] = []
  for (let index = 0; index < RECORDS; index++) {
    sends.push(producer.send({ topic, partition: index % PARTITIONS, value: String(index) }))
    if (index % 50 === 0) await new Promise(resolve => setTimeout(resolve, 5))
  }
  await Promise.all(sends)
  stop()
  await producer.close()
  expect(proxy.cuts).toBeGreaterThan(5)

  const consumer = new Consumer({ ...options(), partitionFetchMaxBytes: 2_000, fetchMaxBytes: 4_000 })
  consumer.assign([0, 1, 2].map(partition => ({ topic, partition, offset: 'earliest' })))
  stop = proxy.keepCutting(30, 100)
  const seen: number[][] = [[], [], []]
  for await (const { partition, value } of consumer.records({ until: 'end' })) seen[partition]?.push(Number(value))
  stop()
  await consumer.close()
  for (const partition of [0, 1, 2]) {
    expect(seen[partition]).toEqual(
      Array.from({ length: RECORDS / PARTITIONS }, (_, index) => index * PARTITIONS + partition),
    )
  }
})

test('a group reads everything, with its connections cut all the while', async () => {
  const topic = await makeTopic()
  const groupId = freshName('g')
  const stop = proxy.keepCutting(150, 400)
  const seen = new Set<number>()
  const abort = new AbortController()
  const members = [1, 2].map(
    () =>
      new Consumer({
        ...options(),
        groupId,
        autoOffsetReset: 'earliest',
        heartbeatIntervalMs: 100,
        autoCommitIntervalMs: 200,
      }),
  )
  const reading = members.map(async consumer => {
    consumer.subscribe([topic])
    try {
      for await (const { value } of consumer.records({ signal: abort.signal })) seen.add(Number(value))
    } catch (error) {
      if (!abort.signal.aborted) throw error
    }
  })
  const producer = new Producer({ ...options(), lingerMs: 1 })
  for (let round = 0; round < 20; round++) {
    await producer.send(
      Array.from({ length: 100 }, (_, index) => ({
        topic,
        partition: index % PARTITIONS,
        value: String(round * 100 + index),
      })),
    )
  }
  await Promise.race([expect.poll(() => seen.size, { timeout: 20_000 }).toBe(2_000), Promise.all(reading)])
  abort.abort()
  await Promise.all(reading)
  stop()
  await Promise.all([producer.close(), ...members.map(member => member.close())])
  // What was committed is the end: a new member finds nothing more.
  const late = new Consumer({ ...options(), groupId, autoOffsetReset: 'none' })
  expect(
    (await late.committed([0, 1, 2].map(partition => ({ topic, partition })))).reduce(
      (sum, { offset }) => sum + Number(offset),
      0,
    ),
  ).toBe(2_000)
  await late.close()
})
