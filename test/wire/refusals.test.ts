// What is refused with an error code: each is counted, its neighbours in the same request are served, its connection lives.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createTopics, ErrorCode, fetch, metadata, produce } from '#protocol'
import { WireClient } from '../scenarios/wire-client.ts'
import { batchOf, changedBatch, corruptBatch } from './answers/batches.ts'
import { UNKNOWN_TOPIC_ID } from './answers/peer.ts'
import { AttackedBroker } from './attacked-broker.ts'

let broker: AttackedBroker
let client: WireClient

beforeAll(async () => {
  broker = await AttackedBroker.start({
    topics: { orders: { partitions: 2 }, small: { configs: { 'max.message.bytes': '1000' } } },
  })
  client = await WireClient.open(broker.port)
})
afterEach(() => broker.check())
afterAll(async () => {
  client.close()
  await broker.stop()
})

const fine = (): Buffer => batchOf(['fine'])

test.each([
  ['a corrupt checksum', 'orders', 0, corruptBatch(), ErrorCode.CORRUPT_MESSAGE],
  ['magic 1', 'orders', 0, changedBatch(batch => batch.writeInt8(1, 16)), ErrorCode.INVALID_RECORD],
  ['magic 3', 'orders', 0, changedBatch(batch => batch.writeInt8(3, 16)), ErrorCode.CORRUPT_MESSAGE],
  ['two batches', 'orders', 0, Buffer.concat([fine(), fine()]), ErrorCode.INVALID_RECORD],
  ['no batch', 'orders', 0, Buffer.alloc(0), ErrorCode.INVALID_RECORD],
  ['a batch too large', 'small', 0, batchOf(['x'.repeat(2000)]), ErrorCode.MESSAGE_TOO_LARGE],
  ['an unknown topic', 'nowhere', 0, fine(), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ['an unknown partition', 'orders', 2, fine(), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ['a negative partition', 'orders', -1, fine(), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ['a name with a slash', '../orders', 0, fine(), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
])('Produce: %s is refused, counted, and its neighbour written', async (_what, name, index, records, errorCode) => {
  const counted = await broker.counted(['FailedProducePartitionsTotal'], async () => {
    const { responses } = await client.send(produce, 9, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [
        { name, partitionData: [{ index, records }] },
        { name: 'orders', partitionData: [{ index: 1, records: fine() }] },
      ],
    })
    expect(responses.map(({ partitionResponses: [partition] }) => partition?.errorCode)).toEqual([errorCode, 0])
  })
  expect(counted).toBe(1)
})

test.each([-128, -2, 2, 1000])('Produce: acks %i is refused and counted', async acks => {
  const counted = await broker.counted(['FailedProducePartitionsTotal'], async () => {
    const topicData = [{ name: 'orders', partitionData: [{ index: 0, records: fine() }] }]
    const { responses } = await client.send(produce, 9, { acks, timeoutMs: 1000, topicData })
    expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(ErrorCode.INVALID_REQUIRED_ACKS)
  })
  expect(counted).toBe(1)
})

test('Produce: an unknown topic id is refused and counted', async () => {
  const counted = await broker.counted(['FailedProducePartitionsTotal'], async () => {
    const topicData = [{ topicId: UNKNOWN_TOPIC_ID, partitionData: [{ index: 0, records: fine() }] }]
    const { responses } = await client.send(produce, 13, { acks: -1, timeoutMs: 1000, topicData })
    expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID)
  })
  expect(counted).toBe(1)
})

test.each([
  ['an unknown topic', 'nowhere', 0, 0n, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ['an unknown partition', 'orders', 9, 0n, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ['an offset beyond the log', 'orders', 0, 1_000_000n, ErrorCode.OFFSET_OUT_OF_RANGE],
  ['a negative offset', 'orders', 0, -5n, ErrorCode.OFFSET_OUT_OF_RANGE],
])('Fetch: %s is refused at once and counted', async (_what, topic, partition, fetchOffset, errorCode) => {
  const counted = await broker.counted(['FailedFetchPartitionsTotal'], async () => {
    const { responses } = await client.send(fetch, 12, {
      maxWaitMs: 60_000,
      minBytes: 1,
      topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: 1000 }] }],
    })
    expect(responses[0]?.partitions[0]?.errorCode).toBe(errorCode)
  })
  expect(counted).toBe(1)
})

test.each(['', '.', '..', '/', 'a/b', '../../etc/passwd', 'x'.repeat(250), 'größe', 'nul\0byte', 'new\nline'])(
  'the topic name %j is refused, and nothing is made of it',
  async name => {
    const described = await client.send(metadata, 12, { topics: [{ name }] })
    expect(described.topics[0]?.errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
    const topics = [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }]
    const created = await client.send(createTopics, 7, { topics, timeoutMs: 1000 })
    expect(created.topics[0]?.errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
    const all = await client.send(metadata, 12, { topics: null })
    expect(all.topics.map(topic => topic.name).sort()).toEqual(['bystander', 'orders', 'small'])
  },
)
