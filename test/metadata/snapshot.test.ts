import { describe, expect, test } from 'vitest'
import {
  compareSnapshotIds,
  decodeSnapshot,
  encodeSnapshot,
  MetadataDelta,
  MetadataImage,
  parseSnapshotFileName,
  recordVersion,
  snapshotFileName,
} from '#metadata'
import { decodeBatches, decodeControlRecord, encodeBatch, type MetadataRecordInput, metadataRecords } from '#protocol'
import { plainCodec } from './batch-codec-double.ts'
import { imageParts } from './image-parts.ts'

const uuid = (n: number): string => Buffer.from(`00000000000000${String(n).padStart(2, '0')}`).toString('base64url')

function imageOf(...records: MetadataRecordInput[]): MetadataImage {
  const delta = new MetadataDelta(MetadataImage.empty)
  for (const record of records) delta.replay(metadataRecords.decode(metadataRecords.encode(record)))
  return delta.apply({ offset: 99n, epoch: 3 })
}

/** One of everything an image can hold. */
const everything = imageOf(
  { type: 'FeatureLevelRecord', name: 'group.version', featureLevel: 1 },
  { type: 'FeatureLevelRecord', name: 'metadata.version', featureLevel: 30 },
  {
    type: 'RegisterBrokerRecord',
    brokerId: 4,
    brokerEpoch: 7n,
    incarnationId: uuid(1),
    endPoints: [{ name: 'PLAINTEXT', host: '::1', port: 65_535, securityProtocol: 0 }],
    features: [{ name: 'metadata.version', minSupportedVersion: 7, maxSupportedVersion: 30 }],
    rack: 'r',
    fenced: false,
    inControlledShutdown: true,
    logDirs: [uuid(2), uuid(3)],
    cordonedLogDirs: [uuid(3)],
  },
  {
    type: 'RegisterBrokerRecord',
    brokerId: 5,
    brokerEpoch: 8n,
    incarnationId: uuid(4),
    rack: null,
    logDirs: [uuid(9)],
  },
  {
    type: 'RegisterControllerRecord',
    controllerId: 1,
    incarnationId: uuid(5),
    endPoints: [{ name: 'CONTROLLER', host: 'h', port: 9093, securityProtocol: 0 }],
  },
  { type: 'TopicRecord', name: 'a', topicId: uuid(6) },
  {
    type: 'PartitionRecord',
    topicId: uuid(6),
    partitionId: 0,
    replicas: [4, 5, 6],
    isr: [4],
    leader: 4,
    leaderEpoch: 9,
    partitionEpoch: 12,
    leaderRecoveryState: 1,
    removingReplicas: [5],
    addingReplicas: [6],
    directories: [uuid(2), uuid(9), uuid(8)],
    eligibleLeaderReplicas: [5],
    lastKnownElr: [6],
  },
  { type: 'TopicRecord', name: '__consumer_offsets', topicId: uuid(7) },
  {
    type: 'PartitionRecord',
    topicId: uuid(7),
    partitionId: 0,
    replicas: [4],
    isr: [4],
    leader: -1,
    leaderEpoch: 0,
    partitionEpoch: 0,
  },
  { type: 'ConfigRecord', resourceType: 2, resourceName: 'a', name: 'retention.ms', value: '5' },
  { type: 'ConfigRecord', resourceType: 4, resourceName: '', name: 'log.retention.ms', value: '6' },
  { type: 'ProducerIdsRecord', brokerId: 4, brokerEpoch: 7n, nextProducerId: 3000n },
  {
    type: 'AccessControlEntryRecord',
    id: uuid(10),
    resourceType: 2,
    resourceName: '*',
    patternType: 3,
    principal: 'User:*',
    host: '*',
    operation: 2,
    permissionType: 3,
  },
  {
    type: 'ClientQuotaRecord',
    entity: [{ entityType: 'user', entityName: null }],
    key: 'producer_byte_rate',
    value: 1.5,
  },
  {
    type: 'UserScramCredentialRecord',
    name: 'u',
    mechanism: 1,
    salt: Buffer.from('s'),
    storedKey: Buffer.from('k'),
    serverKey: Buffer.from('v'),
    iterations: 4096,
  },
)

const encode = (image: MetadataImage): Buffer =>
  encodeSnapshot(image, { codec: plainCodec, lastContainedLogTimestampMs: 42 })
const id = { endOffset: 100n, epoch: 3 }

describe('a snapshot', () => {
  test('gives back the image it was made of', () => {
    const image = decodeSnapshot(id, encode(everything), plainCodec)
    expect(imageParts(image)).toEqual(imageParts(everything))
    expect([image.offset, image.epoch]).toEqual([99n, 3])
  })

  test('begins with a header and ends with a footer, with offsets from 0 and the epoch of its id', () => {
    const batches = [...decodeBatches(encode(everything), plainCodec)]
    const control = batches
      .filter(batch => batch.isControl)
      .map(batch => decodeControlRecord([...batch.records()][0] as never))
    expect(control).toMatchObject([
      { type: 'SnapshotHeader', lastContainedLogTimestamp: 42n },
      { type: 'SnapshotFooter' },
    ])
    expect(batches[0]?.isControl && batches.at(-1)?.isControl).toBe(true)
    let next = 0n
    for (const batch of batches) {
      expect([batch.baseOffset, batch.header.partitionLeaderEpoch]).toEqual([next, 3])
      next = batch.lastOffset + 1n
    }
  })

  test('tells the metadata version before what depends on it', () => {
    const [, data] = [...decodeBatches(encode(everything), plainCodec)]
    const first = metadataRecords.decode([...(data?.records() ?? [])][0]?.value as Buffer)
    expect(first).toMatchObject({ type: 'FeatureLevelRecord', name: 'metadata.version' })
  })

  test('of a big image is cut into batches', () => {
    const records: MetadataRecordInput[] = Array.from({ length: 9000 }, (_, i) => ({
      type: 'ConfigRecord',
      resourceType: 2,
      resourceName: `topic-${i}`,
      name: 'retention.ms',
      value: 'x'.repeat(100),
    }))
    const image = imageOf(...records)
    const bytes = encode(image)
    expect([...decodeBatches(bytes, plainCodec)].length).toBeGreaterThan(3)
    expect(imageParts(decodeSnapshot(id, bytes, plainCodec))).toEqual(imageParts(image))
  })

  test.each<[string, (bytes: Buffer, batches: Buffer[]) => Buffer]>([
    ['that is empty', () => Buffer.alloc(0)],
    ['that is cut off', bytes => bytes.subarray(0, -1)],
    ['without its footer', (_, batches) => Buffer.concat(batches.slice(0, -1))],
    ['without its header', (_, batches) => Buffer.concat(batches.slice(1))],
    ['with two headers', (_, batches) => Buffer.concat([batches[0] as Buffer, ...batches])],
    ['with a batch after the footer', (_, batches) => Buffer.concat([...batches, batches[1] as Buffer])],
    [
      'with a flipped bit',
      bytes => {
        const broken = Buffer.from(bytes)
        broken[200] = (broken[200] as number) ^ 4
        return broken
      },
    ],
  ])('%s is refused', (_, damage) => {
    const bytes = encode(everything)
    const batches = [...decodeBatches(bytes, plainCodec)].map(batch => batch.bytes)
    expect(() => decodeSnapshot(id, damage(bytes, batches), plainCodec)).toThrow()
  })

  test('with a record type from the future is refused, not read in part', () => {
    const header = [...decodeBatches(encode(everything), plainCodec)][0]?.bytes as Buffer
    const future = encodeBatch({ records: [{ value: Buffer.from([1, 120, 0]) }] }, plainCodec)
    expect(() => decodeSnapshot(id, Buffer.concat([header, future]), plainCodec)).toThrow(/type 120 is unknown/)
  })
})

describe('the name of a snapshot', () => {
  test('holds its end offset and epoch', () => {
    expect(snapshotFileName({ endOffset: 1234n, epoch: 5 })).toBe('00000000000000001234-0000000005.checkpoint')
    expect(parseSnapshotFileName('00000000000000001234-0000000005.checkpoint')).toEqual({ endOffset: 1234n, epoch: 5 })
  })

  test.each([
    '00000000000000001234-0000000005.checkpoint.part',
    '00000000000000001234.log',
    '1-1.checkpoint',
    'quorum-state',
  ])('is not %s', name => expect(parseSnapshotFileName(name)).toBeNull())

  test('orders by offset, then by epoch', () => {
    const ids = [
      { endOffset: 2n, epoch: 1 },
      { endOffset: 1n, epoch: 9 },
      { endOffset: 2n, epoch: 0 },
    ]
    expect(ids.toSorted(compareSnapshotIds).map(({ endOffset, epoch }) => `${endOffset}-${epoch}`)).toEqual([
      '1-9',
      '2-0',
      '2-1',
    ])
  })
})

test.each([
  [30, [4, 3, 2, 2]],
  [29, [3, 2, 2, 2]],
  [23, [3, 2, 2, 2]],
  [22, [3, 2, 1, 1]],
  [17, [3, 2, 1, 1]],
  [16, [2, 1, 0, 0]],
  [7, [1, 1, 0, 0]],
])('at metadata.version %d records have versions %j', (metadataVersion, versions) => {
  const types = [
    'RegisterBrokerRecord',
    'BrokerRegistrationChangeRecord',
    'PartitionRecord',
    'PartitionChangeRecord',
  ] as const
  expect(types.map(type => recordVersion(type, metadataVersion))).toEqual(versions)
  expect(recordVersion('TopicRecord', metadataVersion)).toBe(0)
})
