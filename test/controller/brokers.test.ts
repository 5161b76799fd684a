import { beforeEach, describe, expect, test } from 'vitest'
import { ErrorCode } from '#protocol'
import { FEATURES, World } from './controller-world.ts'

let world: World
beforeEach(async () => {
  world = await World.start()
})
const broker = (id: number) => world.image.brokers.get(id)
const partition = (name: string, index = 0) => world.image.topics.byName(name)?.partitions[index]
const assigned = (name: string, ...brokerIds: number[]) => ({ name, assignments: [{ partitionIndex: 0, brokerIds }] })

describe('BrokerRegistration', () => {
  test('gives the offset of its record as epoch, and leaves the broker fenced', async () => {
    const { errorCode, brokerEpoch } = await world.register(1, { rack: 'r1' })
    expect(errorCode).toBe(0)
    expect(brokerEpoch).toBe(world.image.offset)
    expect(broker(1)).toMatchObject({ brokerEpoch, fenced: true, rack: 'r1', features: expect.any(Array) })
    expect(broker(1)?.listeners).toEqual([{ name: 'PLAINTEXT', host: 'localhost', port: 9001, securityProtocol: 0 }])
  })

  test('repeated by the same process keeps the epoch and the standing', async () => {
    const incarnationId = world.host.entropy.uuid()
    const first = await world.register(1, { incarnationId })
    await world.heartbeat(1)
    const again = await world.register(1, { incarnationId })
    expect(again.brokerEpoch).toBe(first.brokerEpoch)
    expect(broker(1)?.fenced).toBe(false)
  })

  test('of another process under the same id is refused while the first one lives', async () => {
    await world.join(1)
    expect((await world.register(1)).errorCode).toBe(ErrorCode.DUPLICATE_BROKER_REGISTRATION)
    world.host.advance(9000)
    expect((await world.register(1)).errorCode).toBe(0)
  })

  test('after the process was let go is accepted at once', async () => {
    await world.join(1)
    await world.heartbeat(1, { wantShutDown: true })
    expect((await world.register(1)).errorCode).toBe(0)
  })

  test.each([
    [{ clusterId: 'other' }, ErrorCode.INCONSISTENT_CLUSTER_ID],
    [{ listeners: [] }, ErrorCode.INVALID_REGISTRATION],
    [{ logDirs: ['AAAAAAAAAAAAAAAAAAAAZg', 'AAAAAAAAAAAAAAAAAAAAZg'] }, ErrorCode.INVALID_REGISTRATION],
    [{ logDirs: ['AAAAAAAAAAAAAAAAAAAAAA'] }, ErrorCode.INVALID_REGISTRATION],
    [{ isMigratingZkBroker: true }, ErrorCode.INVALID_REGISTRATION],
    [{ features: [] }, ErrorCode.UNSUPPORTED_VERSION],
    [
      { features: [{ name: 'metadata.version', minSupportedVersion: 7, maxSupportedVersion: 29 }] },
      ErrorCode.UNSUPPORTED_VERSION,
    ],
  ])('with %j is refused', async (request, errorCode) => {
    expect(await world.register(1, request)).toMatchObject({ errorCode, brokerEpoch: -1n })
    expect(broker(1)).toBeUndefined()
  })

  test('with a directory of another broker is refused', async () => {
    const logDirs = [world.host.entropy.uuid()]
    await world.register(1, { logDirs })
    expect((await world.register(2, { logDirs })).errorCode).toBe(ErrorCode.INVALID_REGISTRATION)
  })

  test('features beyond the finalised ones do no harm', async () => {
    const features = [...FEATURES, { name: 'x.version', minSupportedVersion: 0, maxSupportedVersion: 3 }]
    expect((await world.register(1, { features })).errorCode).toBe(0)
  })
})

describe('BrokerHeartbeat', () => {
  test('of a broker nobody knows, or of an earlier life of it, is refused', async () => {
    expect(await world.heartbeat(7)).toMatchObject({ errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED, isFenced: true })
    const { brokerEpoch } = await world.register(1)
    expect(await world.heartbeat(1, { brokerEpoch: brokerEpoch - 1n })).toMatchObject({
      errorCode: ErrorCode.STALE_BROKER_EPOCH,
    })
  })

  test('unfences a broker once it has seen its own registration', async () => {
    const { brokerEpoch } = await world.register(1)
    expect(await world.heartbeat(1, { currentMetadataOffset: brokerEpoch - 1n })).toMatchObject({
      isCaughtUp: false,
      isFenced: true,
    })
    expect(await world.heartbeat(1, { currentMetadataOffset: brokerEpoch, wantFence: true })).toMatchObject({
      isCaughtUp: true,
      isFenced: true,
    })
    expect(await world.heartbeat(1, { currentMetadataOffset: brokerEpoch })).toMatchObject({
      isCaughtUp: true,
      isFenced: false,
    })
    expect(broker(1)?.fenced).toBe(false)
  })

  test('that changes nothing writes nothing', async () => {
    await world.join(1)
    const before = world.log.appends
    await world.heartbeat(1)
    expect(world.log.appends).toBe(before)
  })

  test('fences a broker that wants it, and takes its leaderships', async () => {
    await world.join(1, 2)
    await world.createTopics([assigned('a', 1, 2), assigned('b', 2)])
    await world.heartbeat(1, { wantFence: true })
    expect(partition('a')).toMatchObject({ leader: 2, leaderEpoch: 1, isr: [2], partitionEpoch: 1 })
    expect(partition('b')).toMatchObject({ leader: 2, leaderEpoch: 0 })
  })

  test('a partition whose last in-sync replica goes has no leader, and waits for that one', async () => {
    await world.join(1, 2)
    await world.createTopics([assigned('a', 1, 2)])
    await world.heartbeat(1, { wantFence: true })
    await world.heartbeat(2, { wantFence: true })
    expect(partition('a')).toMatchObject({ leader: -1, isr: [2], leaderEpoch: 2 })
    await world.heartbeat(1)
    expect(partition('a')).toMatchObject({ leader: -1, isr: [2] })
    await world.heartbeat(2)
    expect(partition('a')).toMatchObject({ leader: 2, isr: [2], leaderEpoch: 3 })
  })

  describe('of a broker that wants to stop', () => {
    test('lets the only one go at once', async () => {
      await world.join(1)
      await world.createTopics(['a'])
      const answer = await world.heartbeat(1, { wantShutDown: true })
      expect(answer).toMatchObject({ errorCode: 0, shouldShutDown: true, isFenced: true })
      expect(broker(1)?.fenced).toBe(true)
      expect(partition('a')).toMatchObject({ leader: -1, isr: [1] })
    })

    test('moves its leaderships first when there are others', async () => {
      await world.join(1, 2)
      await world.createTopics([assigned('a', 1, 2)])
      expect(await world.heartbeat(1, { wantShutDown: true })).toMatchObject({ shouldShutDown: false, isFenced: false })
      expect(broker(1)).toMatchObject({ fenced: false, inControlledShutdown: true })
      expect(partition('a')).toMatchObject({ leader: 2, isr: [2] })
      expect(await world.heartbeat(1, { wantShutDown: true })).toMatchObject({ shouldShutDown: true, isFenced: true })
      expect(broker(1)?.fenced).toBe(true)
    })

    test('a fenced one may stop at once', async () => {
      await world.register(1)
      expect(await world.heartbeat(1, { wantShutDown: true })).toMatchObject({ shouldShutDown: true, isFenced: true })
    })

    test('gets no new partitions meanwhile', async () => {
      await world.join(1, 2)
      await world.createTopics([assigned('a', 1, 2)])
      await world.heartbeat(1, { wantShutDown: true })
      await world.createTopics([{ name: 'b', numPartitions: 8 }])
      expect(world.image.topics.byName('b')?.partitions.every(({ replicas }) => replicas[0] === 2)).toBe(true)
    })
  })
})

describe('sessions', () => {
  test('a broker that is not heard of is fenced when its session is over, not before', async () => {
    await world.join(1, 2)
    await world.createTopics([assigned('a', 1, 2)])
    world.host.advance(8000)
    await world.heartbeat(2)
    world.host.advance(999)
    expect(broker(1)?.fenced).toBe(false)
    world.host.advance(1)
    expect(broker(1)?.fenced).toBe(true)
    expect(broker(2)?.fenced).toBe(false)
    expect(partition('a')).toMatchObject({ leader: 2 })
    expect(world.host.lines.some(({ message }) => /no heartbeat/.test(message))).toBe(true)
  })

  test('a fenced broker comes back with its next heartbeat', async () => {
    await world.join(1)
    await world.createTopics(['a'])
    world.host.advance(9000)
    expect(partition('a')).toMatchObject({ leader: -1 })
    await world.heartbeat(1)
    expect(partition('a')).toMatchObject({ leader: 1, leaderEpoch: 2 })
  })

  test('after a restart of the controller brokers have the time of a session to speak up', async () => {
    await world.join(1, 2)
    world = await world.restart()
    world.host.advance(8999)
    expect(broker(1)?.fenced).toBe(false)
    world.host.advance(1)
    expect([broker(1)?.fenced, broker(2)?.fenced]).toEqual([true, true])
  })

  test('and a broker restarted together with it registers at once, under a new leader epoch', async () => {
    await world.join(1)
    await world.createTopics(['a'])
    const before = partition('a')
    world = await world.restart({ powerCut: true })
    await world.join(1)
    expect(partition('a')).toMatchObject({ leader: 1, isr: [1] })
    expect(partition('a')?.leaderEpoch).toBeGreaterThan(before?.leaderEpoch as number)
  })
})

describe('AllocateProducerIds', () => {
  test('gives away blocks of a thousand, each once, also across restarts', async () => {
    await world.join(1)
    expect(await world.producerIds(1)).toMatchObject({ errorCode: 0, producerIdStart: 0n, producerIdLen: 1000 })
    expect(await world.producerIds(1)).toMatchObject({ producerIdStart: 1000n })
    world = await world.restart({ powerCut: true })
    await world.join(1)
    expect(await world.producerIds(1)).toMatchObject({ producerIdStart: 2000n })
  })

  test('gives none to strangers', async () => {
    await world.join(1)
    expect(await world.producerIds(5)).toMatchObject({ errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED })
    expect(await world.producerIds(1, 0n)).toMatchObject({ errorCode: ErrorCode.STALE_BROKER_EPOCH })
  })
})
