// Records through a real broker and back: what arrives is what was sent.
import { expect, test } from 'vitest'
import { Admin, Consumer, type ConsumerOptions, type ConsumerRecord, Producer, type ProducerOptions } from '#client'
import { brokerUnderTest, freshName } from './broker-under-test.ts'

const broker = brokerUnderTest()

async function topicOf(partitions: number, configs: Record<string, string> = {}): Promise<string> {
  const name = freshName('roundtrip')
  await using admin = new Admin({ bootstrapServers: broker.bootstrap })
  const [created] = await admin.createTopics([{ name, partitions, configs }])
  expect(created?.error).toBeNull()
  return name
}

const producerFor = (options: Partial<ProducerOptions> = {}): Producer =>
  new Producer({ bootstrapServers: broker.bootstrap, ...options })
const consumerFor = (options: Partial<ConsumerOptions> = {}): Consumer =>
  new Consumer({ bootstrapServers: broker.bootstrap, ...options })

async function readAll(topic: string, options: Partial<ConsumerOptions> = {}): Promise<ConsumerRecord[]> {
  await using consumer = consumerFor(options)
  const partitions = await consumer.partitionsOf(topic)
  consumer.assign(partitions.map(partition => ({ topic, partition, offset: 'earliest' })))
  const records: ConsumerRecord[] = []
  for await (const record of consumer.records({ until: 'end' })) records.push(record)
  return records
}

const values = (records: readonly ConsumerRecord[]): string[] => records.map(({ value }) => String(value))

test('key, value, headers, nulls and timestamp come back as they were sent', async () => {
  const topic = await topicOf(1)
  await using producer = producerFor()
  const sent = await producer.send([
    {
      topic,
      key: 'k',
      value: 'v',
      timestamp: 1_700_000_000_000,
      headers: [
        { key: 'a', value: '1' },
        { key: 'a', value: null },
        { key: '', value: Buffer.from([0, 255]) },
      ],
    },
    { topic, key: null, value: null, headers: { one: 'x' } },
    { topic, key: Buffer.alloc(0), value: new Uint8Array([1, 2, 3]) },
  ])
  expect(sent.map(({ offset, partition }) => [offset, partition])).toEqual([
    [0n, 0],
    [1n, 0],
    [2n, 0],
  ])
  expect(sent[0]?.timestamp).toBe(1_700_000_000_000n)
  const records = await readAll(topic)
  expect(records.map(({ key, value }) => [key, value])).toEqual([
    [Buffer.from('k'), Buffer.from('v')],
    [null, null],
    [Buffer.alloc(0), Buffer.from([1, 2, 3])],
  ])
  expect(records[0]?.headers).toEqual([
    { key: 'a', value: Buffer.from('1') },
    { key: 'a', value: null },
    { key: '', value: Buffer.from([0, 255]) },
  ])
  expect(records[1]?.headers).toEqual([{ key: 'one', value: Buffer.from('x') }])
  expect(records[0]).toMatchObject({
    topic,
    partition: 0,
    offset: 0n,
    timestamp: 1_700_000_000_000n,
    timestampType: 'CreateTime',
    leaderEpoch: 0,
  })
})

test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
  'records compressed with %s arrive whole and in order',
  async compression => {
    const topic = await topicOf(1)
    await using producer = producerFor({ compression, batchBytes: 20_000 })
    const sent = Array.from({ length: 2_000 }, (_, index) => `${index} ${'lorem ipsum '.repeat(index % 9)}`)
    await producer.send(sent.map(value => ({ topic, value })))
    expect(values(await readAll(topic))).toEqual(sent)
  },
)

test.each([0, 1, 'all'] as const)('acks=%s stores every record once', async acks => {
  const topic = await topicOf(1)
  await using producer = producerFor({ acks })
  const sent = Array.from({ length: 300 }, (_, index) => `v${index}`)
  await Promise.all(sent.map(value => producer.send({ topic, value })))
  await producer.close()
  await expect.poll(async () => (await readAll(topic)).length, { timeout: 5_000 }).toBe(300)
  expect(values(await readAll(topic))).toEqual(sent)
})

test('records of one key keep their order over many sends, batches and partitions', async () => {
  const topic = await topicOf(4)
  await using producer = producerFor({ batchBytes: 500, lingerMs: 1 })
  const sends: Promise<unknown>[] = []
  for (let index = 0; index < 3_000; index++)
    sends.push(producer.send({ topic, key: `k${index % 7}`, value: String(index) }))
  await Promise.all(sends)
  const byKey = new Map<string, number[]>()
  const partitionOf = new Map<string, number>()
  for (const { key, value, partition } of await readAll(topic)) {
    byKey.set(String(key), [...(byKey.get(String(key)) ?? []), Number(value)])
    expect(partitionOf.get(String(key)) ?? partition).toBe(partition)
    partitionOf.set(String(key), partition)
  }
  expect(byKey.size).toBe(7)
  for (const [key, list] of byKey)
    expect(list).toEqual(Array.from({ length: list.length }, (_, index) => index * 7 + Number(key.slice(1))))
})

test('a record larger than a fetch is still read, and one larger than the topic takes is refused', async () => {
  const topic = await topicOf(1, { 'max.message.bytes': '300000' })
  await using producer = producerFor({ requestBytesMax: 2_000_000 })
  await producer.send({ topic, value: Buffer.alloc(250_000, 1) })
  await expect(producer.send({ topic, value: Buffer.alloc(400_000, 1) })).rejects.toMatchObject({
    code: 'MESSAGE_TOO_LARGE',
  })
  await producer.send({ topic, value: 'after' })
  const records = await readAll(topic, { fetchMaxBytes: 1_000, partitionFetchMaxBytes: 1_000 })
  expect(records.map(({ value }) => value?.length)).toEqual([250_000, 5])
})

test('reading starts where it is told: offset, distance from the end, time', async () => {
  const topic = await topicOf(1)
  await using producer = producerFor()
  await producer.send(
    Array.from({ length: 10 }, (_, index) => ({ topic, value: String(index), timestamp: 1_000 + index * 10 })),
  )
  const readFrom = async (offset: Parameters<Consumer['seek']>[1], limit?: number): Promise<string[]> => {
    await using consumer = consumerFor({ autoOffsetReset: 'none' })
    consumer.assign([{ topic, partition: 0, offset }])
    const records: ConsumerRecord[] = []
    for await (const record of consumer.records({ until: 'end', ...(limit === undefined ? {} : { limit }) }))
      records.push(record)
    return values(records)
  }
  expect(await readFrom({ offset: 7n })).toEqual(['7', '8', '9'])
  expect(await readFrom({ last: 2 })).toEqual(['8', '9'])
  expect(await readFrom({ last: 99 }, 2)).toEqual(['0', '1'])
  expect(await readFrom({ timestamp: 1_045n })).toEqual(['5', '6', '7', '8', '9'])
  expect(await readFrom({ timestamp: 9_999n })).toEqual([])
  expect(await readFrom('latest')).toEqual([])
  await expect(readFrom({ offset: 11n })).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
})

test('an offset that is gone is reset by policy', async () => {
  const topic = await topicOf(1)
  await using producer = producerFor()
  await producer.send(Array.from({ length: 10 }, (_, index) => ({ topic, value: String(index) })))
  await using admin = new Admin({ bootstrapServers: broker.bootstrap })
  expect(await admin.deleteRecords([{ topic, partition: 0, beforeOffset: 6n }])).toMatchObject([
    { error: null, lowWatermark: 6n },
  ])
  const read = async (autoOffsetReset: 'earliest' | 'none'): Promise<string[]> => {
    await using consumer = consumerFor({ autoOffsetReset })
    consumer.assign([{ topic, partition: 0, offset: { offset: 2n } }])
    const records: ConsumerRecord[] = []
    for await (const record of consumer.records({ until: 'end' })) records.push(record)
    return values(records)
  }
  expect(await read('earliest')).toEqual(['6', '7', '8', '9'])
  await expect(read('none')).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
})

test('a reader that follows sees records within moments of their being sent, until it is aborted', async () => {
  const topic = await topicOf(2)
  await using producer = producerFor({ lingerMs: 0 })
  await using consumer = consumerFor()
  const abort = new AbortController()
  consumer.assign([0, 1].map(partition => ({ topic, partition, offset: 'latest' })))
  const seen: string[] = []
  const reading = (async () => {
    for await (const { value } of consumer.records({ signal: abort.signal })) seen.push(String(value))
  })()
  const ended = expect(reading).rejects.toMatchObject({ name: 'AbortError' })
  await expect.poll(() => consumer.assignment().every(({ position }) => position !== null)).toBe(true)
  for (let index = 0; index < 5; index++) await producer.send({ topic, value: String(index) })
  await expect.poll(() => seen).toEqual(['0', '1', '2', '3', '4'])
  abort.abort()
  await ended
})

test('seek and pause work while reading', async () => {
  const topic = await topicOf(2)
  await using producer = producerFor()
  await producer.send(
    [0, 1].flatMap(partition =>
      Array.from({ length: 5 }, (_, index) => ({ topic, partition, value: `${partition}-${index}` })),
    ),
  )
  await using consumer = consumerFor()
  consumer.assign([0, 1].map(partition => ({ topic, partition, offset: 'earliest' })))
  const seen: string[] = []
  for await (const { value } of consumer.records()) {
    seen.push(String(value))
    if (seen.length === 1) consumer.pause([{ topic, partition: 1 }])
    if (String(value) === '0-2' && seen.filter(each => each === '0-2').length === 1)
      consumer.seek({ topic, partition: 0 }, { offset: 1n })
    if (String(value) === '0-4') consumer.resume([{ topic, partition: 1 }])
    if (seen.filter(each => each.startsWith('1-')).includes('1-4') && seen.includes('0-4')) break
  }
  expect(seen.filter(each => each.startsWith('0-'))).toEqual(['0-0', '0-1', '0-2', '0-1', '0-2', '0-3', '0-4'])
  expect(seen.filter(each => each.startsWith('1-'))).toEqual(['1-0', '1-1', '1-2', '1-3', '1-4'])
})

test('what is read ahead stays within prefetchBytes', async () => {
  const topic = await topicOf(1)
  await using producer = producerFor()
  await producer.send(Array.from({ length: 400 }, () => ({ topic, value: Buffer.alloc(5_000) })))
  await using consumer = consumerFor({ prefetchBytes: 100_000, partitionFetchMaxBytes: 50_000 })
  consumer.assign([{ topic, partition: 0, offset: 'earliest' }])
  let count = 0
  for await (const _ of consumer.records({ until: 'end' })) count += 1
  expect(count).toBe(400)
})

test('a topic that does not exist, and a partition it does not have, are errors and not a wait', async () => {
  const topic = await topicOf(2)
  await using consumer = consumerFor()
  await expect(consumer.partitionsOf(freshName('nowhere'))).rejects.toMatchObject({
    name: 'UnknownTopicError',
    code: 'UNKNOWN_TOPIC_OR_PARTITION',
  })
  consumer.assign([{ topic, partition: 2, offset: 'earliest' }])
  await expect(consumer.records().next()).rejects.toThrow('has 2 partitions, counted from 0, so there is no 2')
  await using producer = producerFor()
  await expect(producer.send({ topic, partition: 5, value: 'x' })).rejects.toThrow('there is no 5')
})

test('a topic is created by the first record sent to it', async () => {
  const topic = freshName('automatic')
  await using producer = producerFor()
  await producer.send({ topic, value: 'first' })
  expect(values(await readAll(topic))).toEqual(['first'])
})

test('partitions added later are found by a producer that names one', async () => {
  const topic = await topicOf(1)
  await using producer = producerFor()
  await producer.send({ topic, partition: 0, value: 'a' })
  await using admin = new Admin({ bootstrapServers: broker.bootstrap })
  expect(await admin.createPartitions([{ name: topic, count: 3 }])).toEqual([{ name: topic, error: null }])
  await expect.poll(async () => (await admin.describeTopics([topic]))[0]?.partitions.length).toBe(3)
  expect(await producer.send({ topic, partition: 2, value: 'b' })).toMatchObject([{ partition: 2, offset: 0n }])
})

test('closing ends an iteration under way with a ClientClosedError', async () => {
  const topic = await topicOf(1)
  const consumer = consumerFor()
  consumer.assign([{ topic, partition: 0 }])
  const next = consumer.records().next()
  const failed = expect(next).rejects.toMatchObject({ name: 'ClientClosedError' })
  await new Promise(resolve => setTimeout(resolve, 100))
  const startedMs = performance.now()
  await consumer.close()
  expect(performance.now() - startedMs).toBeLessThan(1_000)
  await failed
  expect(() => consumer.records()).toThrow(/closed/)
})
