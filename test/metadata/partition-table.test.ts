import { describe, expect, test } from 'vitest'
import { BrokerConfig } from '#config'
import { uuidToBytes } from '#host'
import { MetadataDelta, MetadataImage, nativeTopicConfig, partitionTable, partitionTableDelta } from '#metadata'
import { type MetadataRecordInput, metadataRecords } from '#protocol'

const A = 'AAAAAAAAAAAAAAAAAAAAZg'
const B = 'AAAAAAAAAAAAAAAAAAAAZw'
const config = BrokerConfig.load({ overrides: { 'log.retention.ms': '5000', 'min.insync.replicas': '2' } })

function step(base: MetadataImage, ...records: MetadataRecordInput[]) {
  const delta = new MetadataDelta(base)
  for (const record of records) delta.replay(metadataRecords.decode(metadataRecords.encode(record)))
  const image = delta.apply({ offset: base.offset + BigInt(records.length), epoch: 1 })
  return { image, table: partitionTableDelta(delta, image, config) }
}
const topic = (name: string, topicId: string, partitions = 1): MetadataRecordInput[] => [
  { type: 'TopicRecord', name, topicId },
  ...Array.from(
    { length: partitions },
    (_, partitionId): MetadataRecordInput => ({
      type: 'PartitionRecord',
      topicId,
      partitionId,
      replicas: [1, 2],
      isr: [1],
      leader: 1,
      leaderEpoch: 3,
      partitionEpoch: 0,
    }),
  ),
]
const base = step(MetadataImage.empty, ...topic('a', A, 2), ...topic('__consumer_offsets', B)).image

describe('the partition table', () => {
  test('of an image lists every topic with leaders and settings', () => {
    const { topics, deletedTopicIds } = partitionTable(base, config)
    expect(deletedTopicIds).toEqual([])
    expect(topics.map(({ name }) => name).sort()).toEqual(['__consumer_offsets', 'a'])
    expect(topics.find(({ name }) => name === 'a')).toMatchObject({
      topicId: uuidToBytes(A),
      internal: false,
      config: {
        segmentBytes: 1_073_741_824,
        minInsyncReplicas: 2,
        compressionType: 'producer',
        compressionLevel: undefined,
        compacted: false,
        minCleanableDirtyRatio: 0.5,
        maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
        deleteRetentionMs: 86_400_000,
        flushPolicy: 'sync',
        flushMessages: Number.MAX_SAFE_INTEGER,
      },
      partitions: [
        { partition: 0, leaderId: 1, leaderEpoch: 3, replicas: [1, 2], isr: [1] },
        { partition: 1, leaderId: 1, leaderEpoch: 3, replicas: [1, 2], isr: [1] },
      ],
    })
  })

  test('of a delta lists what changed and nothing else', () => {
    const { table } = step(base, { type: 'PartitionChangeRecord', topicId: A, partitionId: 1, leader: 2 })
    expect(table.topics.map(({ name }) => name)).toEqual(['a'])
    expect(table.topics[0]?.partitions[1]).toMatchObject({ leaderId: 2, leaderEpoch: 4 })
    expect(table.brokers).toBeUndefined()
  })

  test('of a delta names what is gone, also when the name lives on under a new id', () => {
    const { table } = step(base, { type: 'RemoveTopicRecord', topicId: A }, ...topic('a', 'AAAAAAAAAAAAAAAAAAAAaA'))
    expect(table.deletedTopicIds).toEqual([uuidToBytes(A)])
    expect(table.topics.map(({ topicId }) => topicId)).toEqual([uuidToBytes('AAAAAAAAAAAAAAAAAAAAaA')])
  })

  test('follows the settings of a topic', () => {
    const { table } = step(base, {
      type: 'ConfigRecord',
      resourceType: 2,
      resourceName: 'a',
      name: 'cleanup.policy',
      value: 'compact',
    })
    expect(table.topics).toMatchObject([{ name: 'a', config: { compacted: true } }])
  })

  test('lists the listeners of brokers that can be reached, when brokers changed', () => {
    const register = (brokerId: number, fenced: boolean): MetadataRecordInput => ({
      type: 'RegisterBrokerRecord',
      brokerId,
      brokerEpoch: 1n,
      incarnationId: A,
      fenced,
      rack: 'r',
      endPoints: [
        { name: 'PLAINTEXT', host: 'h', port: 1, securityProtocol: 0 },
        { name: 'OTHER', host: 'i', port: 2, securityProtocol: 0 },
      ],
    })
    const { table } = step(base, register(1, false), register(2, true))
    expect(table.brokers).toEqual([
      { nodeId: 1, host: 'h', port: 1, listener: 'PLAINTEXT', rack: 'r' },
      { nodeId: 1, host: 'i', port: 2, listener: 'OTHER', rack: 'r' },
    ])
  })

  test('resolves the settings of topics without own ones once', () => {
    expect(nativeTopicConfig(config, new Map())).toBe(nativeTopicConfig(config, new Map()))
    expect(nativeTopicConfig(config, new Map([['segment.bytes', '2097152']])).segmentBytes).toBe(2_097_152)
  })
})
