// The admin client on a real broker: every call answers for every resource it was given.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Admin, Producer } from '#client'
import { describeTopicPartitions } from '#protocol'
import { brokerUnderTest, freshName } from './broker-under-test.ts'
import { ScriptedBroker } from './scripted-broker.ts'

const broker = brokerUnderTest()
let admin: Admin
beforeAll(() => {
  admin = new Admin({ bootstrapServers: broker.bootstrap })
})
afterAll(() => admin.close())

test('topics are created, listed, described and deleted', async () => {
  const [name, other] = [freshName('t'), freshName('t')]
  const created = await admin.createTopics([
    { name, partitions: 3, configs: { 'retention.ms': '60000' } },
    { name: other },
  ])
  expect(created[0]).toMatchObject({
    name,
    error: null,
    partitions: 3,
    replicationFactor: 1,
    topicId: expect.stringMatching(/^[\w-]{22}$/),
  })
  expect(created[1]?.error).toBeNull()
  expect((await admin.listTopics()).find(topic => topic.name === name)).toMatchObject({
    partitions: 3,
    replicationFactor: 1,
    isInternal: false,
  })
  const [described, missing] = await admin.describeTopics([name, 'nowhere'])
  expect(described).toMatchObject({ name, error: null, topicId: created[0]?.topicId, isInternal: false })
  expect(
    described?.partitions.map(({ partition, leader, replicas, isr }) => ({
      partition,
      led: leader !== null,
      replicas: replicas.length,
      isr: isr.length,
    })),
  ).toEqual([0, 1, 2].map(partition => ({ partition, led: true, replicas: 1, isr: 1 })))
  expect(missing).toMatchObject({ name: 'nowhere', error: { code: 'UNKNOWN_TOPIC_OR_PARTITION' }, partitions: [] })
  expect(await admin.deleteTopics([other, 'nowhere'])).toMatchObject([
    { name: other, error: null },
    { name: 'nowhere', error: { code: 'UNKNOWN_TOPIC_OR_PARTITION' } },
  ])
})

test('each topic that cannot be created says why', async () => {
  const name = freshName('t')
  await admin.createTopics([{ name }])
  const results = await admin.createTopics([
    { name },
    { name: 'bad name' },
    { name: freshName('t'), partitions: 0 },
    { name: freshName('t'), replicationFactor: 9 },
    { name: freshName('t'), configs: { 'retention.ms': 'soon' } },
  ])
  expect(results.map(({ error }) => error?.code)).toEqual([
    'TOPIC_ALREADY_EXISTS',
    'INVALID_TOPIC_EXCEPTION',
    'INVALID_PARTITIONS',
    'INVALID_REPLICATION_FACTOR',
    'INVALID_CONFIG',
  ])
})

test('validateOnly creates nothing', async () => {
  const name = freshName('t')
  expect(await admin.createTopics([{ name }], { validateOnly: true })).toMatchObject([{ error: null }])
  expect((await admin.listTopics()).some(topic => topic.name === name)).toBe(false)
})

test('a topic with more partitions than one answer holds is described whole', async () => {
  await using scripted = await ScriptedBroker.start()
  const name = 'wide'
  scripted.on(describeTopicPartitions, ({ cursor }) => {
    const from = cursor?.partitionIndex ?? 0
    const partitions = [from, from + 1].map(partitionIndex => ({
      partitionIndex,
      leaderId: 1,
      replicaNodes: [1],
      isrNodes: [1],
    }))
    return {
      topics: [{ name, partitions }],
      nextCursor: from >= 4 ? null : { topicName: name, partitionIndex: from + 2 },
    }
  })
  await using paging = new Admin({ bootstrapServers: scripted.bootstrap })
  const [described] = await paging.describeTopics([name])
  expect(described?.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2, 3, 4, 5])
})

test('configs are read with their source, changed one by one and taken back', async () => {
  const name = freshName('t')
  await admin.createTopics([{ name, configs: { 'segment.bytes': '2000000' } }])
  const read = async (names: readonly string[]) => {
    const [described] = await admin.describeConfigs([{ type: 'topic', name }], { names })
    expect(described?.error).toBeNull()
    return Object.fromEntries(
      (described?.entries ?? []).map(({ name: key, value, source }) => [key, `${value} ${source}`]),
    )
  }
  expect(await read(['segment.bytes', 'cleanup.policy'])).toEqual({
    'segment.bytes': '2000000 topic',
    'cleanup.policy': 'delete default',
  })
  const altered = await admin.incrementalAlterConfigs([
    {
      type: 'topic',
      name,
      changes: [
        { operation: 'append', name: 'cleanup.policy', value: 'compact' },
        { operation: 'set', name: 'retention.ms', value: '1000' },
        { operation: 'delete', name: 'segment.bytes' },
      ],
    },
  ])
  expect(altered).toEqual([{ type: 'topic', name, error: null }])
  await expect
    .poll(() => read(['cleanup.policy', 'retention.ms']))
    .toEqual({ 'cleanup.policy': 'delete,compact topic', 'retention.ms': '1000 topic' })
  expect((await read(['segment.bytes']))['segment.bytes']).not.toContain('topic')
  expect(
    await admin.incrementalAlterConfigs([
      { type: 'topic', name, changes: [{ operation: 'set', name: 'retention.ms', value: 'x' }] },
    ]),
  ).toMatchObject([{ error: { code: 'INVALID_CONFIG' } }])
})

test('settings of a broker are asked of that broker', async () => {
  const { brokers } = await admin.describeCluster()
  const [described] = await admin.describeConfigs([{ type: 'broker', name: String(brokers[0]?.nodeId) }], {
    names: ['log.segment.bytes'],
    includeDocumentation: true,
  })
  expect(described?.error).toBeNull()
  expect(described?.entries[0]).toMatchObject({ name: 'log.segment.bytes', value: '1073741824' })
})

test('the cluster tells its id and brokers', async () => {
  const cluster = await admin.describeCluster()
  expect(cluster.clusterId).toMatch(/^[\w-]{22}$/)
  expect(cluster.brokers).toHaveLength(1)
  expect(cluster.controllerId).toBe(cluster.brokers[0]?.nodeId)
})

test('offsets are found by name and by time, and records deleted up to one', async () => {
  const topic = freshName('t')
  await admin.createTopics([{ name: topic, partitions: 2 }])
  await using producer = new Producer({ bootstrapServers: broker.bootstrap })
  await producer.send([5_000, 9_000, 7_000].map(timestamp => ({ topic, partition: 0, value: 'x', timestamp })))
  const at = async (...ats: ('earliest' | 'latest' | 'maxTimestamp' | bigint)[]) => {
    const found: (bigint | null)[] = []
    for (const each of ats)
      found.push((await admin.listOffsets([{ topic, partition: 0, at: each }]))[0]?.offset ?? null)
    return found
  }
  expect(await at('earliest', 'latest', 'maxTimestamp', 6_000n, 9_001n)).toEqual([0n, 3n, 1n, 1n, null])
  expect(await admin.deleteRecords([{ topic, partition: 0, beforeOffset: 2n }])).toMatchObject([
    { error: null, lowWatermark: 2n },
  ])
  expect(await at('earliest', 'latest')).toEqual([2n, 3n])
  expect(await admin.deleteRecords([{ topic, partition: 0, beforeOffset: 99n }])).toMatchObject([
    { error: { code: 'OFFSET_OUT_OF_RANGE' } },
  ])
  const missing = await admin.listOffsets([
    { topic: 'nowhere', partition: 0, at: 'latest' },
    { topic, partition: 1, at: 'latest' },
    { topic, partition: 7, at: 'latest' },
  ])
  expect(missing.map(({ error, offset }) => error?.code ?? offset)).toEqual([
    'UNKNOWN_TOPIC_OR_PARTITION',
    0n,
    'UNKNOWN_TOPIC_OR_PARTITION',
  ])
})

test('a call ends when its signal says so', async () => {
  await expect(admin.listTopics({ signal: AbortSignal.abort(new Error('no more')) })).rejects.toThrow('no more')
})
