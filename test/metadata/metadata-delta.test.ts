import { describe, expect, test } from 'vitest'
import { MetadataDelta, MetadataImage } from '#metadata'
import { type MetadataRecordInput, metadataRecords } from '#protocol'

const TOPIC = 'AAAAAAAAAAAAAAAAAAAAZg'
const OTHER = 'AAAAAAAAAAAAAAAAAAAAZw'

let offset = 0n
function replay(image: MetadataImage, ...records: MetadataRecordInput[]): MetadataImage {
  return delta(image, ...records).image
}
function delta(base: MetadataImage, ...records: MetadataRecordInput[]): { delta: MetadataDelta; image: MetadataImage } {
  const made = new MetadataDelta(base)
  for (const record of records) made.replay(metadataRecords.decode(metadataRecords.encode(record)))
  offset = base.offset + BigInt(records.length)
  return { delta: made, image: made.apply({ offset, epoch: 1 }) }
}

const topic = (name: string, topicId: string): MetadataRecordInput => ({ type: 'TopicRecord', name, topicId })
const partition = (topicId: string, partitionId: number): MetadataRecordInput => ({
  type: 'PartitionRecord',
  topicId,
  partitionId,
  replicas: [1, 2],
  isr: [1, 2],
  leader: 1,
  leaderEpoch: 0,
  partitionEpoch: 0,
})
const register = (brokerId: number, brokerEpoch = 5n): MetadataRecordInput => ({
  type: 'RegisterBrokerRecord',
  brokerId,
  brokerEpoch,
  incarnationId: OTHER,
  endPoints: [{ name: 'PLAINTEXT', host: 'h', port: 9092, securityProtocol: 0 }],
})
const config = (name: string, value: string | null, resourceName = 'a'): MetadataRecordInput => ({
  type: 'ConfigRecord',
  resourceType: 2,
  resourceName,
  name,
  value,
})

describe('topics', () => {
  const base = replay(MetadataImage.empty, topic('a', TOPIC), partition(TOPIC, 0), partition(TOPIC, 1))

  test('are found by name and by id, with their partitions in order', () => {
    expect(base.topics.byName('a')).toBe(base.topics.byId(TOPIC))
    expect(base.topics.byName('a')?.partitions.map(p => p.partition)).toEqual([0, 1])
    expect(base.topics.byName('a')?.internal).toBe(false)
    expect(base.offset).toBe(2n)
  })

  test('a changed leader raises both epochs, a changed ISR only that of the partition', () => {
    const moved = replay(base, { type: 'PartitionChangeRecord', topicId: TOPIC, partitionId: 0, leader: 2 })
    expect(moved.topics.byId(TOPIC)?.partitions[0]).toMatchObject({ leader: 2, leaderEpoch: 1, partitionEpoch: 1 })
    const shrunk = replay(moved, { type: 'PartitionChangeRecord', topicId: TOPIC, partitionId: 0, isr: [2] })
    expect(shrunk.topics.byId(TOPIC)?.partitions[0]).toMatchObject({ isr: [2], leaderEpoch: 1, partitionEpoch: 2 })
    expect(base.topics.byId(TOPIC)?.partitions[0]).toMatchObject({ leader: 1, isr: [1, 2], leaderEpoch: 0 })
  })

  test('a removed topic takes its settings with it, and its name can be used again', () => {
    const set = replay(base, config('retention.ms', '1'))
    const { delta: change, image } = delta(set, { type: 'RemoveTopicRecord', topicId: TOPIC }, topic('a', OTHER))
    expect(image.topics.byName('a')?.topicId).toBe(OTHER)
    expect(image.topics.byId(TOPIC)).toBeUndefined()
    expect(image.configs.get(2, 'a').size).toBe(0)
    expect(change.deletedTopics.map(gone => gone.topicId)).toEqual([TOPIC])
    expect([...change.changedTopicIds]).toEqual([OTHER])
  })

  test('a topic made and removed in one delta leaves no trace', () => {
    const { delta: change, image } = delta(MetadataImage.empty, topic('x', TOPIC), partition(TOPIC, 0), {
      type: 'RemoveTopicRecord',
      topicId: TOPIC,
    })
    expect(image.topics.size).toBe(0)
    expect([change.deletedTopics, [...change.changedTopicIds]]).toEqual([[], []])
  })

  test('what a delta does not touch is shared with the image before', () => {
    const two = replay(base, topic('b', OTHER), partition(OTHER, 0))
    const next = replay(two, { type: 'PartitionChangeRecord', topicId: OTHER, partitionId: 0, leader: 2 })
    expect(next.topics.byId(TOPIC)).toBe(two.topics.byId(TOPIC))
    expect(next.brokers).toBe(two.brokers)
    expect(next.configs).toBe(two.configs)
  })

  test('the internal topics are known by their names', () => {
    expect(replay(base, topic('__consumer_offsets', OTHER)).topics.byId(OTHER)?.internal).toBe(true)
  })
})

describe('settings', () => {
  const base = replay(MetadataImage.empty, topic('a', TOPIC), config('retention.ms', '5'), config('segment.ms', '6'))

  test('are set and removed one by one, and mark their topic as changed', () => {
    const { delta: change, image } = delta(base, config('retention.ms', null), config('segment.bytes', '7'))
    expect(Object.fromEntries(image.configs.get(2, 'a'))).toEqual({ 'segment.ms': '6', 'segment.bytes': '7' })
    expect([...change.changedTopicIds]).toEqual([TOPIC])
    expect(base.configs.get(2, 'a').get('retention.ms')).toBe('5')
  })

  test('a resource without settings is not listed', () => {
    const image = replay(base, config('retention.ms', null), config('segment.ms', null))
    expect([...image.configs.all()]).toEqual([])
  })
})

describe('brokers', () => {
  const base = replay(MetadataImage.empty, register(1))

  test('begin fenced and change under their epoch', () => {
    expect(base.brokers.get(1)).toMatchObject({ fenced: true, inControlledShutdown: false, brokerEpoch: 5n })
    const unfenced = replay(base, { type: 'BrokerRegistrationChangeRecord', brokerId: 1, brokerEpoch: 5n, fenced: -1 })
    expect(unfenced.brokers.get(1)?.fenced).toBe(false)
    const leaving = replay(unfenced, {
      type: 'BrokerRegistrationChangeRecord',
      brokerId: 1,
      brokerEpoch: 5n,
      inControlledShutdown: 1,
    })
    expect(leaving.brokers.get(1)).toMatchObject({ fenced: false, inControlledShutdown: true })
  })

  test('a change under another epoch is a broken log', () => {
    expect(() => replay(base, { type: 'FenceBrokerRecord', id: 1, epoch: 6n })).toThrow(/epoch 6, it is in 5/)
  })

  test('the older fence and unfence records are understood', () => {
    const unfenced = replay(base, { type: 'UnfenceBrokerRecord', id: 1, epoch: 5n })
    expect(unfenced.brokers.get(1)?.fenced).toBe(false)
    expect(replay(unfenced, { type: 'FenceBrokerRecord', id: 1, epoch: 5n }).brokers.get(1)?.fenced).toBe(true)
    expect(replay(unfenced, { type: 'UnregisterBrokerRecord', brokerId: 1, brokerEpoch: 5n }).brokers.size).toBe(0)
  })
})

describe('transactions of the metadata log', () => {
  const begin: MetadataRecordInput = { type: 'BeginTransactionRecord', name: 'x' }

  test('take effect at their end, also across deltas', () => {
    const open = replay(MetadataImage.empty, begin, topic('a', TOPIC))
    expect(open.topics.size).toBe(0)
    const ended = replay(open, partition(TOPIC, 0), { type: 'EndTransactionRecord' })
    expect(ended.topics.byName('a')?.partitions).toHaveLength(1)
    expect(ended.transaction).toBeNull()
  })

  test('are void when aborted', () => {
    const image = replay(MetadataImage.empty, begin, topic('a', TOPIC), { type: 'AbortTransactionRecord' })
    expect(image.topics.size).toBe(0)
  })

  test('an end without a begin is a broken log', () => {
    expect(() => replay(MetadataImage.empty, { type: 'EndTransactionRecord' })).toThrow(/outside of a transaction/)
  })
})

describe('broken logs stop the node', () => {
  test.each<[string, MetadataRecordInput]>([
    ['a partition of no topic', partition(TOPIC, 0)],
    ['a change of no partition', { type: 'PartitionChangeRecord', topicId: TOPIC, partitionId: 0, leader: 1 }],
    ['the removal of no topic', { type: 'RemoveTopicRecord', topicId: TOPIC }],
    ['a change of no broker', { type: 'FenceBrokerRecord', id: 9, epoch: 1n }],
  ])('%s', (_, record) => {
    expect(() => replay(MetadataImage.empty, record)).toThrow()
  })

  test('a topic name in use', () => {
    expect(() => replay(MetadataImage.empty, topic('a', TOPIC), topic('a', OTHER))).toThrow(/created while it exists/)
  })
})

describe('records this version only keeps', () => {
  const acl = (id: string): MetadataRecordInput => ({
    type: 'AccessControlEntryRecord',
    id,
    resourceType: 2,
    resourceName: 'a',
    patternType: 3,
    principal: 'User:x',
    host: '*',
    operation: 3,
    permissionType: 3,
  })
  const quota = (value: number, remove = false): MetadataRecordInput => ({
    type: 'ClientQuotaRecord',
    entity: [{ entityType: 'user', entityName: 'x' }],
    key: 'producer_byte_rate',
    value,
    remove,
  })

  test('replace and remove each other by what they are about', () => {
    const image = replay(MetadataImage.empty, acl(TOPIC), acl(OTHER), quota(1), quota(2))
    expect(image.kept.size).toBe(3)
    const less = replay(image, { type: 'RemoveAccessControlEntryRecord', id: TOPIC }, quota(0, true))
    expect([...less.kept.values()]).toMatchObject([{ type: 'AccessControlEntryRecord', id: OTHER }])
  })
})

test('producer ids, features and eligible leader replicas follow their records', () => {
  let image = replay(
    MetadataImage.empty,
    { type: 'FeatureLevelRecord', name: 'metadata.version', featureLevel: 30 },
    { type: 'FeatureLevelRecord', name: 'group.version', featureLevel: 1 },
    { type: 'ProducerIdsRecord', brokerId: 1, nextProducerId: 2000n },
    topic('a', TOPIC),
    { ...partition(TOPIC, 0), eligibleLeaderReplicas: [3], lastKnownElr: [4] } as MetadataRecordInput,
  )
  expect(image.nextProducerId).toBe(2000n)
  expect(image.topics.byName('a')?.partitions[0]).toMatchObject({ elr: [3], lastKnownElr: [4] })
  image = replay(
    image,
    { type: 'FeatureLevelRecord', name: 'group.version', featureLevel: 0 },
    { type: 'ClearElrRecord', topicName: '' },
    { type: 'NoOpRecord' },
  )
  expect([...image.features]).toEqual([['metadata.version', 30]])
  expect(image.topics.byName('a')?.partitions[0]).toMatchObject({ elr: [], lastKnownElr: [] })
})
