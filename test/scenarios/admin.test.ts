// The admin requests that the broker half answers itself, and the ones it passes on.
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  createPartitions,
  createTopics,
  deleteRecords,
  deleteTopics,
  describeCluster,
  describeConfigs,
  describeTopicPartitions,
  ErrorCode,
  incrementalAlterConfigs,
  listOffsets,
  metadata,
  offsetForLeaderEpoch,
} from '#protocol'
import { startBroker, type TestBroker } from '#test-kit'
import { produceTo } from './records.ts'
import { WireClient } from './wire-client.ts'

const TOPIC = 2
const BROKER = 4

let kafka: TestBroker
let client: WireClient

beforeAll(async () => {
  kafka = await startBroker({
    topics: {
      alpha: { partitions: 3 },
      beta: { partitions: 2, configs: { 'retention.ms': '1000', 'cleanup.policy': 'compact' } },
      gamma: {},
    },
  })
  client = await WireClient.open(kafka.port)
})
afterAll(async () => {
  client.close()
  await kafka.stop()
})

async function describe(resourceType: number, resourceName: string, keys: string[] | null = null, version = 4) {
  const response = await client.send(describeConfigs, version, {
    resources: [{ resourceType, resourceName, configurationKeys: keys }],
    includeSynonyms: true,
    ...(version >= 3 ? { includeDocumentation: true } : {}),
  })
  const [result] = response.results
  if (result === undefined) throw new Error('one resource, one result')
  return result
}

test('DescribeConfigs tells a topic setting with its source, synonyms, type and documentation', async () => {
  const result = await describe(TOPIC, 'beta', ['retention.ms', 'segment.bytes'])
  expect(result).toMatchObject({ errorCode: 0, errorMessage: '' })
  const [retention, segment] = [...result.configs].sort((a, b) => a.name.localeCompare(b.name))
  expect(retention).toMatchObject({
    name: 'retention.ms',
    value: '1000',
    configSource: 1,
    configType: 5,
    readOnly: false,
  })
  expect(retention?.synonyms[0]).toEqual({ name: 'retention.ms', value: '1000', source: 1 })
  expect(retention?.documentation).toMatch(/\w/)
  expect(segment).toMatchObject({ name: 'segment.bytes', value: '1073741824', configSource: 5, configType: 3 })
  expect(segment?.synonyms).toContainEqual({ name: 'log.segment.bytes', value: '1073741824', source: 5 })
})

test('DescribeConfigs of a broker knows what was set at start', async () => {
  const result = await describe(BROKER, '1', ['listeners', 'num.partitions'], 1)
  expect(result.configs.find(({ name }) => name === 'listeners')).toMatchObject({ configSource: 4 })
  expect(result.configs.find(({ name }) => name === 'num.partitions')).toMatchObject({ value: '1', configSource: 5 })
})

test('DescribeConfigs gives each resource its own error', async () => {
  expect((await describe(TOPIC, 'absent')).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  expect((await describe(TOPIC, 'no/good')).errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
  expect(await describe(BROKER, '7')).toMatchObject({
    errorCode: ErrorCode.INVALID_REQUEST,
    errorMessage: 'Unexpected broker id, expected 1 or empty string, but received 7',
  })
  expect((await describe(BROKER, 'one')).errorCode).toBe(ErrorCode.INVALID_REQUEST)
  expect((await describe(99, 'x')).errorCode).toBe(ErrorCode.INVALID_REQUEST)
})

test('a changed topic setting is described as soon as the change is acknowledged', async () => {
  const response = await client.send(incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType: TOPIC,
        resourceName: 'gamma',
        configs: [{ name: 'retention.ms', configOperation: 0, value: '12345' }],
      },
    ],
  })
  expect(response.responses[0]?.errorCode).toBe(0)
  expect((await describe(TOPIC, 'gamma', ['retention.ms'])).configs[0]).toMatchObject({
    value: '12345',
    configSource: 1,
  })
})

test('DescribeCluster lists brokers, and only for brokers', async () => {
  const brokers = await client.send(describeCluster, 2, { endpointType: 1 })
  expect(brokers).toMatchObject({ errorCode: 0, endpointType: 1, controllerId: 1 })
  expect(brokers.brokers).toEqual([{ brokerId: 1, host: '127.0.0.1', port: kafka.port, rack: null, isFenced: false }])
  const controllers = await client.send(describeCluster, 1, { endpointType: 2 })
  expect(controllers.errorCode).toBe(ErrorCode.MISMATCHED_ENDPOINT_TYPE)
  const others = await client.send(describeCluster, 1, { endpointType: 3 })
  expect(others.errorCode).toBe(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)
})

test('DescribeTopicPartitions goes on where its cursor says, in the order of names', async () => {
  const names = ['gamma', 'alpha', 'beta'].map(name => ({ name }))
  const first = await client.send(describeTopicPartitions, 0, { topics: names, responsePartitionLimit: 2 })
  expect(first.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([['alpha', 2]])
  expect(first.nextCursor).toEqual({ topicName: 'alpha', partitionIndex: 2 })
  const second = await client.send(describeTopicPartitions, 0, {
    topics: names,
    responsePartitionLimit: 3,
    cursor: first.nextCursor,
  })
  expect(second.topics.map(({ name, partitions }) => [name, partitions.length])).toEqual([
    ['alpha', 1],
    ['beta', 2],
  ])
  expect(second.nextCursor).toEqual({ topicName: 'gamma', partitionIndex: 0 })
})

test('DescribeTopicPartitions has no cursor when the limit is just reached', async () => {
  const response = await client.send(describeTopicPartitions, 0, {
    topics: [{ name: 'alpha' }],
    responsePartitionLimit: 3,
  })
  expect(response.nextCursor).toBeNull()
})

test('DescribeTopicPartitions refuses a cursor outside its topics, and names what does not exist', async () => {
  const bad = await client.send(describeTopicPartitions, 0, {
    topics: [{ name: 'alpha' }],
    cursor: { topicName: 'aardvark', partitionIndex: 0 },
  })
  expect(bad.topics[0]?.errorCode).toBe(ErrorCode.INVALID_REQUEST)
  const absent = await client.send(describeTopicPartitions, 0, { topics: [{ name: 'absent' }, { name: '..' }] })
  expect(absent.topics.map(({ errorCode }) => errorCode)).toEqual([
    ErrorCode.INVALID_TOPIC_EXCEPTION,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ])
})

test('DeleteRecords moves the low watermark, and refuses what it must', async () => {
  await produceTo(client, 'alpha', ['a', 'b', 'c'])
  const ask = async (name: string, partitionIndex: number, offset: bigint) => {
    const response = await client.send(deleteRecords, 2, {
      topics: [{ name, partitions: [{ partitionIndex, offset }] }],
      timeoutMs: 1000,
    })
    const result = response.topics[0]?.partitions[0]
    return { lowWatermark: result?.lowWatermark, errorCode: result?.errorCode }
  }
  expect(await ask('alpha', 0, 2n)).toEqual({ lowWatermark: 2n, errorCode: 0 })
  expect(await ask('alpha', 0, -1n)).toEqual({ lowWatermark: 3n, errorCode: 0 })
  expect(await ask('alpha', 0, 9n)).toEqual({ lowWatermark: -1n, errorCode: ErrorCode.OFFSET_OUT_OF_RANGE })
  expect(await ask('alpha', 9, 0n)).toEqual({ lowWatermark: -1n, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION })
  expect(await ask('beta', 0, 0n)).toEqual({ lowWatermark: -1n, errorCode: ErrorCode.POLICY_VIOLATION })
  const earliest = await client.send(listOffsets, 5, {
    replicaId: -1,
    topics: [{ name: 'alpha', partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -2n }] }],
  })
  expect(earliest.topics[0]?.partitions[0]?.offset).toBe(3n)
})

test('OffsetForLeaderEpoch ends the current epoch at the log end and checks the epoch of the client', async () => {
  await produceTo(client, 'alpha', ['a', 'b'], 1)
  const ask = async (partition: number, currentLeaderEpoch: number, leaderEpoch: number) => {
    const response = await client.send(offsetForLeaderEpoch, 4, {
      replicaId: -1,
      topics: [{ topic: 'alpha', partitions: [{ partition, currentLeaderEpoch, leaderEpoch }] }],
    })
    const result = response.topics[0]?.partitions[0]
    return [result?.errorCode, result?.leaderEpoch, result?.endOffset]
  }
  expect(await ask(1, -1, 0)).toEqual([0, 0, 2n])
  expect(await ask(1, 5, 0)).toEqual([ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1n])
  expect(await ask(7, -1, 0)).toEqual([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1n])
})

test('added partitions take writes at once', async () => {
  const response = await client.send(createPartitions, 3, {
    topics: [{ name: 'gamma', count: 4, assignments: null }],
    timeoutMs: 5000,
    validateOnly: false,
  })
  expect(response.results[0]?.errorCode).toBe(0)
  expect(await produceTo(client, 'gamma', ['x'], 3)).toMatchObject({ errorCode: 0, baseOffset: 0n })
})

test('a topic created again under its name has a new id and none of the old records', async () => {
  const create = () =>
    client.send(createTopics, 7, {
      topics: [{ name: 'twice', numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 5000,
    })
  const first = await create()
  await produceTo(client, 'twice', ['old'])
  const deleted = await client.send(deleteTopics, 6, { topics: [{ name: 'twice' }], timeoutMs: 5000 })
  expect(deleted.responses[0]?.errorCode).toBe(0)
  const gone = await client.send(metadata, 9, { topics: [{ name: 'twice' }], allowAutoTopicCreation: false })
  expect(gone.topics[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  const second = await create()
  expect(second.topics[0]?.topicId).not.toBe(first.topics[0]?.topicId)
  expect(await produceTo(client, 'twice', ['new'])).toMatchObject({ errorCode: 0, baseOffset: 0n })
})

test('bad names and numbers of a topic get their codes', async () => {
  const long = 'x'.repeat(250)
  const response = await client.send(createTopics, 7, {
    topics: [
      { name: '..', numPartitions: 1, replicationFactor: 1 },
      { name: 'a/b', numPartitions: 1, replicationFactor: 1 },
      { name: long, numPartitions: 1, replicationFactor: 1 },
      { name: 'no-partitions', numPartitions: 0, replicationFactor: 1 },
      { name: 'too-many', numPartitions: 1, replicationFactor: 3 },
      { name: 'alpha', numPartitions: 1, replicationFactor: 1 },
      { name: 'odd', numPartitions: 1, replicationFactor: 1, configs: [{ name: 'no.such', value: '1' }] },
    ],
    timeoutMs: 5000,
  })
  expect(Object.fromEntries(response.topics.map(({ name, errorCode }) => [name, errorCode]))).toEqual({
    '..': ErrorCode.INVALID_TOPIC_EXCEPTION,
    'a/b': ErrorCode.INVALID_TOPIC_EXCEPTION,
    [long]: ErrorCode.INVALID_TOPIC_EXCEPTION,
    'no-partitions': ErrorCode.INVALID_PARTITIONS,
    'too-many': ErrorCode.INVALID_REPLICATION_FACTOR,
    alpha: ErrorCode.TOPIC_ALREADY_EXISTS,
    odd: ErrorCode.INVALID_CONFIG,
  })
})
