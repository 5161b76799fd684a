// A client's first steps on a node that has never seen one: nothing it asks for answers "not yet".
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  apiVersions,
  createTopics,
  describeCluster,
  ErrorCode,
  findCoordinator,
  initProducerId,
  listOffsets,
  metadata,
} from '#protocol'
import { startBroker, type TestBroker } from '#test-kit'
import { fetchFrom, produceTo } from './records.ts'
import { WireClient } from './wire-client.ts'

let kafka: TestBroker
let client: WireClient

beforeAll(async () => {
  kafka = await startBroker({ settings: { 'num.partitions': '2' } })
  client = await WireClient.open(kafka.port)
})
afterAll(async () => {
  client.close()
  await kafka.stop()
})

test('ApiVersions lists what is served, and Produce from 0', async () => {
  const response = await client.send(apiVersions, 4, { clientSoftwareName: 'wire', clientSoftwareVersion: '1.0' })
  expect(response.errorCode).toBe(ErrorCode.NONE)
  const keys = response.apiKeys.map(({ apiKey }) => apiKey)
  expect(keys).toEqual([
    0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 32, 37, 42, 44, 47, 60, 75,
  ])
  expect(response.apiKeys[0]).toEqual({ apiKey: 0, minVersion: 0, maxVersion: 13 })
  expect(response.finalizedFeatures.map(({ name }) => name)).toContain('metadata.version')
  expect(response.finalizedFeaturesEpoch).toBeGreaterThanOrEqual(0n)
})

test('ApiVersions up to 3 leaves out features whose minimum is 0', async () => {
  const response = await client.send(apiVersions, 3, { clientSoftwareName: 'wire', clientSoftwareVersion: '1.0' })
  expect(response.supportedFeatures.every(({ minVersion }) => minVersion > 0)).toBe(true)
})

test('ApiVersions 3 without a proper software name is INVALID_REQUEST', async () => {
  const response = await client.send(apiVersions, 3, { clientSoftwareName: '-', clientSoftwareVersion: '1.0' })
  expect(response.errorCode).toBe(ErrorCode.INVALID_REQUEST)
})

test('a newer ApiVersions than ours is answered in the v0 layout with our range', async () => {
  const frame = Buffer.from('0012' + '0063' + '00000007' + 'ffff', 'hex')
  client.sendFrame(frame)
  const answer = await client.nextFrame()
  expect(answer?.toString('hex')).toBe('00000007' + '0023' + '00000001' + '0012' + '0000' + '0004')
})

test('Metadata names this broker on the address the client used', async () => {
  const response = await client.send(metadata, 12, { topics: [] })
  expect(response.brokers).toEqual([{ nodeId: 1, host: '127.0.0.1', port: kafka.port, rack: null }])
  expect(response.clusterId).toHaveLength(22)
  expect(response.controllerId).toBe(1)
  expect(response.topics).toEqual([])
})

test('a created topic takes writes the moment it is acknowledged', async () => {
  const created = await client.send(createTopics, 7, {
    topics: [{ name: 'orders', numPartitions: 3, replicationFactor: 1 }],
    timeoutMs: 5000,
  })
  expect(created.topics[0]).toMatchObject({ name: 'orders', errorCode: 0, numPartitions: 3, replicationFactor: 1 })
  expect(await produceTo(client, 'orders', ['a', 'b'], 2)).toMatchObject({ errorCode: 0, baseOffset: 0n })
  expect(await fetchFrom(client, 'orders', 0n, 2)).toEqual(['a', 'b'])
  expect(await fetchFrom(client, 'orders', 1n, 2)).toEqual(['b'])
})

test('ListOffsets knows both ends', async () => {
  const ask = async (timestamp: bigint) => {
    const response = await client.send(listOffsets, 7, {
      replicaId: -1,
      topics: [{ name: 'orders', partitions: [{ partitionIndex: 2, currentLeaderEpoch: -1, timestamp }] }],
    })
    return response.topics[0]?.partitions[0]?.offset
  }
  expect(await ask(-2n)).toBe(0n)
  expect(await ask(-1n)).toBe(2n)
})

test('the first Metadata for an unknown topic creates it and answers with leaders', async () => {
  const response = await client.send(metadata, 9, { topics: [{ name: 'auto' }], allowAutoTopicCreation: true })
  const [topic] = response.topics
  expect(topic?.errorCode).toBe(ErrorCode.NONE)
  expect(topic?.partitions.map(({ leaderId, errorCode }) => ({ leaderId, errorCode }))).toEqual([
    { leaderId: 1, errorCode: 0 },
    { leaderId: 1, errorCode: 0 },
  ])
  expect(await produceTo(client, 'auto', ['x'])).toMatchObject({ errorCode: 0 })
})

test('ten clients that want the same new topic at once all get it', async () => {
  const clients = await Promise.all(Array.from({ length: 10 }, () => WireClient.open(kafka.port)))
  const answers = await Promise.all(clients.map(each => each.send(metadata, 4, { topics: [{ name: 'rush' }] })))
  expect(answers.map(answer => answer.topics[0]?.errorCode)).toEqual(Array(10).fill(0))
  for (const each of clients) each.close()
})

test('Metadata without the permission to create says UNKNOWN_TOPIC_OR_PARTITION', async () => {
  const response = await client.send(metadata, 9, { topics: [{ name: 'absent' }], allowAutoTopicCreation: false })
  expect(response.topics[0]).toMatchObject({ name: 'absent', errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION })
})

test('Metadata 12 finds topics by id and refuses an unknown id', async () => {
  const named = await client.send(metadata, 12, { topics: [{ name: 'orders' }] })
  const topicId = named.topics[0]?.topicId as string
  const byId = await client.send(metadata, 12, {
    topics: [
      { topicId, name: null },
      { topicId: 'abcdefghijklmnopqrstuw', name: null },
    ],
  })
  expect(byId.topics.map(({ name, errorCode }) => ({ name, errorCode }))).toEqual([
    { name: 'orders', errorCode: 0 },
    { name: null, errorCode: ErrorCode.UNKNOWN_TOPIC_ID },
  ])
})

test('Metadata 0 with an empty list means all topics, Metadata 1 none', async () => {
  const all = await client.send(metadata, 0, { topics: [] })
  expect(all.topics.map(({ name }) => name)).toEqual(expect.arrayContaining(['auto', 'orders']))
  const none = await client.send(metadata, 1, { topics: [] })
  expect(none.topics).toEqual([])
})

test('authorized operations are those of a cluster without an authorizer, when asked for', async () => {
  const asked = await client.send(metadata, 8, {
    topics: [{ name: 'orders' }],
    includeTopicAuthorizedOperations: true,
    includeClusterAuthorizedOperations: true,
  })
  expect(asked.topics[0]?.topicAuthorizedOperations).toBe(3576)
  expect(asked.clusterAuthorizedOperations).toBe(8096)
  const cluster = await client.send(describeCluster, 1, { includeClusterAuthorizedOperations: true })
  expect(cluster.clusterAuthorizedOperations).toBe(8096)
})

test('the first FindCoordinator has an answer, in both layouts', async () => {
  const single = await client.send(findCoordinator, 2, { key: 'billing', keyType: 0 })
  expect(single).toMatchObject({ errorCode: 0, nodeId: 1, host: '127.0.0.1', port: kafka.port })
  const several = await client.send(findCoordinator, 4, { keyType: 0, coordinatorKeys: ['billing', 'shipping'] })
  expect(several.coordinators.map(({ key, errorCode, nodeId }) => ({ key, errorCode, nodeId }))).toEqual([
    { key: 'billing', errorCode: 0, nodeId: 1 },
    { key: 'shipping', errorCode: 0, nodeId: 1 },
  ])
})

test('a transaction coordinator is not available, and every key is told so', async () => {
  const response = await client.send(findCoordinator, 4, { keyType: 1, coordinatorKeys: ['tx'] })
  expect(response.coordinators[0]).toMatchObject({
    key: 'tx',
    errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    nodeId: -1,
  })
})

test('producer ids never repeat, over more than one block', async () => {
  const ids = new Set<bigint>()
  for (let count = 0; count < 1500; count += 1) {
    const { errorCode, producerId, producerEpoch } = await client.send(initProducerId, 4, {
      transactionalId: null,
      transactionTimeoutMs: 60_000,
    })
    expect({ errorCode, producerEpoch }).toEqual({ errorCode: 0, producerEpoch: 0 })
    ids.add(producerId)
  }
  expect(ids.size).toBe(1500)
})

test('InitProducerId with a transactional id is refused as long as there is no coordinator', async () => {
  const response = await client.send(initProducerId, 4, { transactionalId: 'tx', transactionTimeoutMs: 60_000 })
  expect(response).toMatchObject({ errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, producerId: -1n, producerEpoch: -1 })
  const half = await client.send(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1, producerId: 7n })
  expect(half.errorCode).toBe(ErrorCode.INVALID_REQUEST)
})
