import { beforeEach, describe, expect, test } from 'vitest'
import { decodeSnapshot, loadBatches, MetadataImage, parseSnapshotFileName } from '#metadata'
import { decodeBatches, decodeControlRecord, ErrorCode, fetchSnapshot, KafkaError, metadataRecords } from '#protocol'
import { plainCodec } from '../metadata/batch-codec-double.ts'
import { imageParts } from '../metadata/image-parts.ts'
import { CLUSTER_ID, World } from './controller-world.ts'
import type { MemoryMetadataLog } from './memory-metadata-log.ts'

let world: World
beforeEach(async () => {
  world = await World.start()
})

const DIRECTORY = '/data/__cluster_metadata-0'
const batchesOf = (log: MemoryMetadataLog) => [...decodeBatches(Buffer.concat(log.batches), plainCodec)]
const recordsOf = (log: MemoryMetadataLog) =>
  batchesOf(log).flatMap(batch =>
    [...batch.records()].map(record =>
      batch.isControl ? decodeControlRecord(record) : metadataRecords.decode(record.value as Buffer),
    ),
  )
const replayed = (log: MemoryMetadataLog) =>
  loadBatches(MetadataImage.empty, Buffer.concat(log.batches), { codec: plainCodec })?.image as MetadataImage

describe('the metadata log', () => {
  test('of a new cluster begins with a leader change and the feature levels that work', async () => {
    const [leaderChange, ...rest] = recordsOf(world.log)
    expect(leaderChange).toMatchObject({ type: 'LeaderChange', leaderId: 1, voters: [{ voterId: 1 }] })
    expect(rest).toMatchObject([{ type: 'FeatureLevelRecord', name: 'metadata.version', featureLevel: 30 }])
    expect(world.log.syncs).toBe(1)
    expect(batchesOf(world.log).map(({ header }) => header.partitionLeaderEpoch)).toEqual([1, 1])
  })

  test('goes on under a higher epoch after each start, told by a leader change', async () => {
    await world.join(1)
    const next = await world.restart()
    expect(next.controller.leaderEpoch).toBe(2)
    expect(recordsOf(next.log).at(-1)).toMatchObject({ type: 'LeaderChange' })
    expect(recordsOf(next.log).filter(({ type }) => type === 'FeatureLevelRecord')).toHaveLength(1)
    expect((await next.restart()).controller.leaderEpoch).toBe(3)
  })

  test('has its quorum state beside it, whose epoch counts when the log lags behind', async () => {
    await world.controller.close()
    const path = `${DIRECTORY}/quorum-state`
    expect(JSON.parse(String(world.host.files.read(path)))).toEqual({
      clusterId: '',
      leaderId: 1,
      leaderEpoch: 1,
      votedId: -1,
      appliedOffset: 0,
      currentVoters: [{ voterId: 1 }],
      data_version: 0,
    })
    world.host.files.writeAtomicSync(path, '{"leaderId":1,"leaderEpoch":7,"data_version":0}')
    expect((await World.start({ host: world.host, log: world.log.reopen() })).controller.leaderEpoch).toBe(8)
    world.host.files.writeAtomicSync(path, '{"leaderEp')
    expect((await World.start({ host: world.host, log: world.log.reopen() })).controller.leaderEpoch).toBe(2)
  })

  test('writes records in the versions of the finalised metadata.version', async () => {
    await world.join(1)
    await world.createTopics(['a'])
    const versions = Object.fromEntries(
      recordsOf(world.log).map(record => [record.type, (record as { version?: number }).version]),
    )
    expect(versions).toMatchObject({
      RegisterBrokerRecord: 4,
      BrokerRegistrationChangeRecord: 3,
      PartitionRecord: 2,
      TopicRecord: 0,
    })
  })

  test('replayed gives the image of the controller', async () => {
    await world.join(1, 2)
    await world.createTopics([{ name: 'a', numPartitions: 3, configs: [{ name: 'segment.ms', value: '5' }] }, 'b'])
    await world.deleteTopics({ topics: [{ name: 'b' }] })
    await world.producerIds(2)
    expect(imageParts(replayed(world.log))).toEqual(imageParts(world.image))
  })

  test('of a directory that lost its beginning is refused', async () => {
    await world.join(1)
    const log = world.log.reopen()
    log.deleteBefore(2n)
    await expect(World.start({ host: world.host, log })).rejects.toThrow(/incomplete: it begins at offset 2/)
  })
})

describe('an answer', () => {
  test('waits until what it says is on disk', async () => {
    await world.join(1)
    world.log.holdSyncs = true
    let answered = false
    const creating = world.createTopics(['a']).then(() => {
      answered = true
    })
    await new Promise(setImmediate)
    expect(answered).toBe(false)
    world.log.sync()
    await creating
  })

  test('that refuses waits for what it is based on', async () => {
    await world.join(1)
    world.log.holdSyncs = true
    const order: string[] = []
    const first = world.createTopics(['a']).then(() => order.push('created'))
    const second = world.createTopics(['a']).then(({ topics }) => order.push(`refused ${topics[0]?.errorCode}`))
    await new Promise(setImmediate)
    expect(order).toEqual([])
    world.log.sync()
    await Promise.all([first, second])
    expect(order).toEqual(['created', `refused ${ErrorCode.TOPIC_ALREADY_EXISTS}`])
  })

  test('that refuses right after a start waits for nothing', async () => {
    await world.join(1)
    const next = await world.restart()
    expect((await next.deleteTopics({ topics: [{ name: 'no' }] })).responses[0]?.errorCode).toBe(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    )
  })

  test('carries the offset up to which an observer must read', async () => {
    await world.join(1)
    const { metadataOffset } = await world.controller.handle(19, 7, {
      topics: [{ name: 'a', numPartitions: -1, replicationFactor: -1 }],
    } as never)
    expect(metadataOffset).toBe(world.log.endOffset - 1n)
    expect(replayed(world.log).topics.byName('a')).toBeDefined()
  })

  test('many requests at once share syncs and keep their order', async () => {
    await world.join(1)
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => world.createTopics([`t${i}`])))
    expect(answers.every(({ topics }) => topics[0]?.errorCode === 0)).toBe(true)
    expect(world.image.topics.size).toBe(200)
    expect(imageParts(replayed(world.log))).toEqual(imageParts(world.image))
  })

  test('a power cut takes back only what was never acknowledged', async () => {
    await world.join(1)
    await world.createTopics(['kept'])
    world.log.holdSyncs = true
    void world.createTopics(['lost']).catch(() => {})
    const next = await World.start({ host: world.host, log: world.log.reopen({ powerCut: true }) })
    expect(next.image.topics.byName('kept')).toBeDefined()
    expect(next.image.topics.byName('lost')).toBeUndefined()
  })

  test('of an API that is not served is UNSUPPORTED_VERSION', async () => {
    await expect(world.controller.handle(52, 0, {})).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION' })
  })
})

describe('when the disk fails', () => {
  test('everything open is refused, and so is everything after', async () => {
    await world.join(1)
    world.log.fail(new Error('EIO'))
    await expect(world.createTopics(['a'])).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    await expect(world.createTopics(['b'])).rejects.toBeInstanceOf(KafkaError)
    await expect(world.controller.failed).resolves.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    expect(world.host.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
    await world.controller.close()
  })
})

describe('closing', () => {
  test('refuses what is open and what comes after', async () => {
    await world.join(1)
    world.log.holdSyncs = true
    const open = world.createTopics(['a'])
    const closed = world.controller.close()
    await expect(open).rejects.toMatchObject({ code: 'NOT_CONTROLLER' })
    await closed
    await expect(world.createTopics(['b'])).rejects.toMatchObject({ code: 'NOT_CONTROLLER' })
  })

  test('ends a parked fetch', async () => {
    const parked = world.fetchLog(world.log.endOffset, { maxWaitMs: 60_000 })
    parked.catch(() => {})
    await new Promise(setImmediate)
    await world.controller.close()
    await expect(parked).rejects.toMatchObject({ code: 'NOT_CONTROLLER' })
  })
})

describe('observers', () => {
  const partitionOf = async (...args: Parameters<World['fetchLog']>) =>
    (await world.fetchLog(...args)).responses[0]?.partitions[0]

  test('read the log below the high watermark', async () => {
    await world.join(1)
    world.log.holdSyncs = true
    void world.createTopics(['a']).catch(() => {})
    const committed = world.log.endOffset - 3n
    const partition = await partitionOf(0n)
    expect(partition).toMatchObject({
      errorCode: 0,
      highWatermark: expect.any(BigInt),
      currentLeader: { leaderId: 1, leaderEpoch: 1 },
    })
    const batches = [...decodeBatches(partition?.records as Buffer, plainCodec)]
    expect(batches.at(-1)?.lastOffset).toBeLessThanOrEqual(committed)
    expect(partition?.highWatermark).toBe((batches.at(-1)?.lastOffset as bigint) + 1n)
  })

  test('are answered as soon as there is something new, or when their time is over', async () => {
    await world.join(1)
    const end = world.log.endOffset
    const waiting = partitionOf(end, { lastFetchedEpoch: 1, maxWaitMs: 500 })
    await world.createTopics(['a'])
    expect((await waiting)?.records?.length).toBeGreaterThan(0)
    const idle = partitionOf(world.log.endOffset, { lastFetchedEpoch: 1, maxWaitMs: 500 })
    await new Promise(setImmediate)
    world.host.advance(500)
    expect((await idle)?.records).toHaveLength(0)
  })

  test.each([
    [2, ErrorCode.UNKNOWN_LEADER_EPOCH],
    [0, ErrorCode.FENCED_LEADER_EPOCH],
  ])('in epoch %d are told', async (currentLeaderEpoch, errorCode) => {
    expect(await partitionOf(0n, { currentLeaderEpoch })).toMatchObject({
      errorCode,
      currentLeader: { leaderEpoch: 1 },
    })
  })

  test('that went another way are told where to turn back to', async () => {
    await world.join(1)
    const endOfFirst = world.log.endOffset
    world = await world.restart()
    expect(await partitionOf(endOfFirst + 1n, { lastFetchedEpoch: 1 })).toMatchObject({
      divergingEpoch: { epoch: 1, endOffset: endOfFirst },
    })
    expect(await partitionOf(endOfFirst, { lastFetchedEpoch: 1 })).toMatchObject({ divergingEpoch: { epoch: -1 } })
    expect(await partitionOf(99n)).toMatchObject({ errorCode: ErrorCode.OFFSET_OUT_OF_RANGE })
  })

  test('of another cluster or another topic are refused', async () => {
    const topics = [
      { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1 }] },
    ]
    await expect(world.controller.handle(1, 17, { clusterId: 'x', topics } as never)).rejects.toMatchObject({
      code: 'INCONSISTENT_CLUSTER_ID',
    })
    await expect(world.controller.handle(1, 17, { topics: [] } as never)).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
  })
})

describe('snapshots', () => {
  const snapshotNames = () => world.host.files.list(DIRECTORY).filter(name => parseSnapshotFileName(name) !== null)
  const settle = async () => {
    for (let i = 0; i < 5; i++) await new Promise(setImmediate)
  }

  async function grow(topics: number): Promise<void> {
    for (let i = 0; i < topics; i++) await world.createTopics([`t${world.image.topics.size}`])
    await settle()
  }

  beforeEach(async () => {
    world = await World.start({ overrides: { 'metadata.log.max.record.bytes.between.snapshots': '2000' } })
    await world.join(1)
  })

  test('are written by size, and cut the log before the older of the two that are kept', async () => {
    await grow(40)
    const names = snapshotNames()
    expect(names).toHaveLength(2)
    expect(names[0]).toMatch(/^\d{20}-0000000001\.checkpoint$/)
    expect(world.log.startOffset).toBe(parseSnapshotFileName(names[0] as string)?.endOffset)
  })

  test('hold the image at their end, and a restart from them gives the same image', async () => {
    await grow(40)
    const [id] = snapshotNames().slice(-1).map(parseSnapshotFileName)
    const bytes = world.host.files.read(`${DIRECTORY}/${snapshotNames().at(-1)}`) as Buffer
    const image = decodeSnapshot(id as never, bytes, plainCodec)
    expect(image.offset).toBe((id?.endOffset as bigint) - 1n)
    expect(image.topics.size).toBeGreaterThan(20)
    const before = imageParts(world.image)
    const next = await world.restart()
    expect(imageParts(next.image)).toEqual(before)
  })

  test('that are damaged are passed over for the one before', async () => {
    await grow(40)
    const before = imageParts(world.image)
    const path = `${DIRECTORY}/${snapshotNames().at(-1)}`
    const bytes = Buffer.from(world.host.files.read(path) as Buffer)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
    world.host.files.writeAtomicSync(path, bytes)
    const next = await world.restart()
    expect(imageParts(next.image)).toEqual(before)
    expect(world.host.lines.some(({ message }) => message === 'a metadata snapshot is damaged')).toBe(true)
  })

  test('are written in time, when there is anything new', async () => {
    world = await World.start({ overrides: { 'metadata.log.max.snapshot.interval.ms': '1000' } })
    await world.join(1)
    world.host.advance(1000)
    await settle()
    expect(snapshotNames()).toHaveLength(1)
    world.host.advance(5000)
    await settle()
    expect(snapshotNames()).toHaveLength(1)
  })

  test('are fetched in pieces by an observer whose offset is gone', async () => {
    await grow(40)
    const partition = (await world.fetchLog(0n)).responses[0]?.partitions[0]
    const snapshotId = partition?.snapshotId as { endOffset: bigint; epoch: number }
    expect(snapshotId.endOffset).toBeGreaterThan(0n)
    const pieces: Buffer[] = []
    let size = 1n
    for (let position = 0n; position < size; ) {
      const response = await world.ask(fetchSnapshot, {
        clusterId: CLUSTER_ID,
        maxBytes: 700,
        topics: [
          { name: '__cluster_metadata', partitions: [{ partition: 0, currentLeaderEpoch: 1, snapshotId, position }] },
        ],
      })
      const piece = response.topics[0]?.partitions[0]
      expect(piece?.errorCode).toBe(0)
      pieces.push(piece?.unalignedRecords as Buffer)
      size = piece?.size as bigint
      position += BigInt(piece?.unalignedRecords?.length as number)
    }
    expect(pieces.length).toBeGreaterThan(1)
    expect(decodeSnapshot(snapshotId, Buffer.concat(pieces), plainCodec).offset).toBe(snapshotId.endOffset - 1n)
  })

  test.each([
    [{ endOffset: 3n, epoch: 1 }, 0n, ErrorCode.SNAPSHOT_NOT_FOUND],
    [null, 1_000_000n, ErrorCode.POSITION_OUT_OF_RANGE],
    [null, -1n, ErrorCode.POSITION_OUT_OF_RANGE],
  ])('asked for wrongly (%o at %s) give an error', async (id, position, errorCode) => {
    await grow(40)
    const snapshotId =
      id ?? (parseSnapshotFileName(snapshotNames().at(-1) as string) as { endOffset: bigint; epoch: number })
    const { topics } = await world.ask(fetchSnapshot, {
      topics: [
        { name: '__cluster_metadata', partitions: [{ partition: 0, currentLeaderEpoch: -1, snapshotId, position }] },
      ],
    })
    expect(topics[0]?.partitions[0]?.errorCode).toBe(errorCode)
  })
})
