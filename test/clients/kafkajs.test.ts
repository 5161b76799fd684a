// KafkaJS 2.2.4: admin, a group of two with a rebalance, keys, headers, gzip (the only codec it carries), idempotence on.
import { CompressionTypes, type Consumer, Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts'

let broker: BrokerProcess
let kafka: Kafka
beforeAll(async () => {
  broker = await startBrokerProcess()
  kafka = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 8 } })
})
afterAll(() => broker.remove())

async function until(what: string, holds: () => boolean, timeoutMs = 30_000) {
  const deadline = Date.now() + timeoutMs
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`)
    await new Promise(done => setTimeout(done, 20))
  }
}

async function produce(topic: string, from: number, count: number, compression: CompressionTypes) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const messages = Array.from({ length: count }, (_, index) => ({
    key: `key-${from + index}`,
    value: `value-${from + index}`,
    headers: { origin: `header-${from + index}` },
  }))
  const results = await producer.send({ topic, acks: -1, compression, messages })
  await producer.disconnect()
  expect(results.every(result => result.errorCode === 0)).toBe(true)
}

test('two members share a topic after a rebalance and see every record', async () => {
  const topic = 'kafkajs'
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 4, replicationFactor: 1 }] })
  const seen = new Map<string, { value: string; origin: string; member: string }>()
  const held = new Map<string, number>()
  const member = async (name: string): Promise<Consumer> => {
    const consumer = kafka.consumer({
      groupId: 'kafkajs-group',
      heartbeatInterval: 300,
      sessionTimeout: 10_000,
      maxWaitTimeInMs: 200,
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
      held.set(name, payload.memberAssignment[topic]?.length ?? 0),
    )
    await consumer.run({
      eachMessage: async ({ message }) => {
        seen.set(String(message.key), {
          value: String(message.value),
          origin: String(message.headers?.origin),
          member: name,
        })
      },
    })
    return consumer
  }
  await produce(topic, 0, 300, CompressionTypes.None)
  const one = await member('one')
  await until('the first member sees 300 records', () => seen.size === 300)
  const two = await member('two')
  await until('both members hold two partitions', () => held.get('one') === 2 && held.get('two') === 2)
  await produce(topic, 300, 300, CompressionTypes.GZIP)
  await until('600 records seen', () => seen.size === 600)
  expect(new Set([...seen.values()].slice(300).map(record => record.member))).toEqual(new Set(['one', 'two']))
  for (const [key, record] of seen) {
    const number = key.slice('key-'.length)
    expect(record).toMatchObject({ value: `value-${number}`, origin: `header-${number}` })
  }
  const described = await admin.describeGroups(['kafkajs-group'])
  expect(described.groups[0]?.state).toBe('Stable')
  expect(described.groups[0]?.members).toHaveLength(2)
  await two.disconnect()
  await until('the remaining member holds all partitions', () => held.get('one') === 4)
  await one.disconnect()
  await admin.deleteGroups(['kafkajs-group'])
  await admin.deleteTopics({ topics: [topic] })
  expect(await admin.listTopics()).not.toContain(topic)
  await admin.disconnect()
}, 90_000)

test('admin reads offsets, configs and partitions back as it set them', async () => {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({
    topics: [
      {
        topic: 'described',
        numPartitions: 2,
        replicationFactor: 1,
        configEntries: [{ name: 'retention.ms', value: '123456' }],
      },
    ],
  })
  await produce('described', 0, 10, CompressionTypes.None)
  const offsets = await admin.fetchTopicOffsets('described')
  expect(offsets.reduce((sum, partition) => sum + Number(partition.high), 0)).toBe(10)
  await admin.createPartitions({ topicPartitions: [{ topic: 'described', count: 5 }] })
  const metadata = await admin.fetchTopicMetadata({ topics: ['described'] })
  expect(metadata.topics[0]?.partitions).toHaveLength(5)
  const configs = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: 'described' }] })
  expect(configs.resources[0]?.configEntries.find(entry => entry.configName === 'retention.ms')?.configValue).toBe(
    '123456',
  )
  await admin.deleteTopicRecords({ topic: 'described', partitions: [{ partition: 0, offset: '-1' }] })
  await admin.disconnect()
}, 30_000)
