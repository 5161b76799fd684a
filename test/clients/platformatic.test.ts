// @platformatic/kafka 1.35: a group of two with a rebalance, keys, headers, idempotence on, and every codec it has on
// Node 20 (it takes zstd from Node 22's own zlib).
import { Consumer, Producer, ProduceAcks, stringDeserializers, stringSerializers } from '@platformatic/kafka'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts'
import { kafkaAdmin } from './topics.ts'

let broker: BrokerProcess
beforeAll(async () => {
  broker = await startBrokerProcess()
})
afterAll(() => broker.remove())

const codecs = ['none', 'gzip', 'snappy', 'lz4'] as const

async function until(what: string, holds: () => boolean, timeoutMs = 30_000) {
  const deadline = Date.now() + timeoutMs
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`)
    await new Promise(done => setTimeout(done, 20))
  }
}

test('two members share a topic after a rebalance and see every record', async () => {
  const topic = 'platformatic'
  await kafkaAdmin(broker.bootstrap, admin =>
    admin.createTopics({ topics: [{ topic, numPartitions: 4, replicationFactor: 1 }] }),
  )
  const seen = new Map<string, { value: string; codec: string; member: string }>()
  const held = new Map<string, number>()
  const produce = async (round: string) => {
    for (const compression of codecs) {
      const producer = new Producer({
        clientId: 'p',
        bootstrapBrokers: [broker.bootstrap],
        serializers: stringSerializers,
        idempotent: true,
        acks: ProduceAcks.ALL,
        compression,
      })
      const messages = Array.from({ length: 100 }, (_, index) => ({
        topic,
        key: `${round}-${compression}-${index}`,
        value: `${compression} ${index} `.repeat(20),
        headers: { codec: compression },
      }))
      await producer.send({ messages })
      await producer.close()
    }
  }
  const member = async (name: string) => {
    const consumer = new Consumer({
      clientId: name,
      groupId: 'platformatic-group',
      bootstrapBrokers: [broker.bootstrap],
      deserializers: stringDeserializers,
      heartbeatInterval: 300,
      sessionTimeout: 10_000,
      maxWaitTime: 200,
      minBytes: 1,
    })
    const note = () => held.set(name, consumer.assignments?.find(each => each.topic === topic)?.partitions.length ?? 0)
    consumer.on('consumer:group:join', note)
    const stream = await consumer.consume({
      topics: [topic],
      mode: 'earliest',
      autocommit: true,
      sessionTimeout: 10_000,
      heartbeatInterval: 300,
    })
    note()
    stream.on('data', message => {
      seen.set(message.key, { value: message.value, codec: message.headers.get('codec') ?? '', member: name })
    })
    return { consumer, stream }
  }
  await produce('one')
  const one = await member('one')
  await until('the first member sees 400 records', () => seen.size === 400)
  const two = await member('two')
  await until('both members hold two partitions', () => held.get('one') === 2 && held.get('two') === 2)
  await produce('two')
  await until('800 records seen', () => seen.size === 800)
  expect(new Set([...seen.values()].slice(400).map(record => record.member))).toEqual(new Set(['one', 'two']))
  for (const [key, record] of seen) {
    const [, codec, index] = key.split('-')
    expect(record).toMatchObject({ codec, value: `${codec} ${index} `.repeat(20) })
  }
  for (const each of [two, one]) await new Promise<void>(done => each.consumer.close(true, () => done()))
}, 90_000)
