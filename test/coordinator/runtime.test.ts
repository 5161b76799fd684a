// The runtime around the shards: batching, order, failure, loading and handing over, with the real record format.
import { describe, expect, test } from 'vitest'
import { BrokerConfig } from '#config'
import { GroupCoordinator } from '#coordinator'
import { manualHost } from '#host'
import { encodeBatch, encodeControlRecord, ErrorCode, type OffsetCommitRequest, ZERO_UUID } from '#protocol'
import { groupRecordSerde } from '../../src/coordinator/group/group-records.ts'
import { Lanes } from '../../src/coordinator/runtime/lanes.ts'
import { javaHashCode, partitionForKey } from '../../src/coordinator/runtime/java-hash.ts'
import { testBatchCodec } from '../protocol/test-batch-codec.ts'
import { MemoryLogs, settled } from './memory-logs.ts'
import { clientAt, joinRequest } from './shard-world.ts'

class World {
  readonly host = manualHost()
  readonly logs: MemoryLogs
  readonly groups: GroupCoordinator
  #flushes: (() => void)[] = []

  constructor(options: { logs?: MemoryLogs; overrides?: Record<string, string>; elect?: boolean } = {}) {
    this.logs = options.logs ?? new MemoryLogs()
    this.groups = new GroupCoordinator({
      host: this.host,
      config: BrokerConfig.load({ overrides: { 'offsets.topic.num.partitions': '1', ...options.overrides } }),
      logs: this.logs,
      batchCodec: testBatchCodec,
      atEndOfTurn: flush => this.#flushes.push(flush),
    })
    if (options.elect !== false) void this.groups.partitionElected(0, 0)
  }

  async endTurn(): Promise<void> {
    const flushes = this.#flushes
    this.#flushes = []
    for (const flush of flushes) flush()
    await settled()
  }

  commit(offset: bigint, options: Partial<OffsetCommitRequest> & { partition?: number } = {}): Promised<number> {
    const { partition = 0, ...request } = options
    const topics = [
      {
        name: 't',
        topicId: ZERO_UUID,
        partitions: [
          { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: null },
        ],
      },
    ]
    const answer = this.groups.offsetCommit(
      {
        groupId: 'g',
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        retentionTimeMs: -1n,
        topics,
        ...request,
      },
      clientAt(8),
    )
    return new Promised(answer.then(({ topics: answered }) => answered?.[0]?.partitions?.[0]?.errorCode ?? 0))
  }

  committed(partition = 0, groupId = 'g'): bigint | string {
    const topics = [{ name: 't', topicId: ZERO_UUID, partitionIndexes: [partition] }]
    const fetched = this.groups.offsetFetch({ groupId, memberId: null, memberEpoch: -1, topics }, false)
    if (fetched.errorCode !== 0) return `error ${fetched.errorCode}`
    return fetched.topics?.[0]?.partitions?.[0]?.committedOffset ?? -1n
  }
}

/** A promise whose value can be looked at. */
class Promised<T> {
  value: T | undefined
  constructor(promise: Promise<T>) {
    void promise.then(value => {
      this.value = value
    })
  }
}

describe('appending', () => {
  test('commits of one turn go out as one batch, and are answered when it is in the log', async () => {
    const world = new World()
    const commits = Array.from({ length: 64 }, (_, index) => world.commit(BigInt(index), { partition: index }))
    expect(world.logs.waiting).toBe(0)
    await world.endTurn()
    expect(world.logs.waiting).toBe(1)
    expect(commits.map(({ value }) => value)).toEqual(commits.map(() => undefined))
    expect(world.committed(5)).toBe(-1n)
    await world.logs.succeed()
    expect(commits.map(({ value }) => value)).toEqual(commits.map(() => 0))
    expect(world.committed(5)).toBe(5n)
    expect(world.logs.appended).toEqual([64])
  })

  test('what comes while a batch is on its way goes out together as the next one', async () => {
    const world = new World()
    world.commit(1n)
    await world.endTurn()
    world.commit(2n)
    await world.endTurn()
    world.commit(3n, { partition: 1 })
    await world.endTurn()
    expect(world.logs.waiting).toBe(1)
    await world.logs.succeed()
    expect(world.logs.waiting).toBe(1)
    await world.logs.succeed()
    expect(world.logs.appended).toEqual([1, 2])
    expect([world.committed(0), world.committed(1)]).toEqual([2n, 3n])
  })

  test('a batch does not grow past message.max.bytes; what does not fit at all is refused', async () => {
    const world = new World({ overrides: { 'message.max.bytes': '1000' } })
    const commits = Array.from({ length: 20 }, (_, index) => world.commit(1n, { groupId: `group-${index}` }))
    const tooLarge = world.commit(1n, { groupId: 'g'.repeat(2_000) })
    await world.endTurn()
    while (world.logs.waiting > 0) await world.logs.succeed()
    expect(commits.every(({ value }) => value === 0)).toBe(true)
    expect(world.logs.appended.length).toBeGreaterThan(1)
    expect(world.logs.appended.reduce((sum, count) => sum + count, 0)).toBe(20)
    expect(tooLarge.value).toBe(ErrorCode.UNKNOWN_SERVER_ERROR)
  })

  const failures = [
    ['NOT_ENOUGH_REPLICAS', 'COORDINATOR_NOT_AVAILABLE'],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'COORDINATOR_NOT_AVAILABLE'],
    ['REQUEST_TIMED_OUT', 'COORDINATOR_NOT_AVAILABLE'],
    ['NOT_LEADER_OR_FOLLOWER', 'NOT_COORDINATOR'],
    ['KAFKA_STORAGE_ERROR', 'NOT_COORDINATOR'],
    ['MESSAGE_TOO_LARGE', 'UNKNOWN_SERVER_ERROR'],
    ['INVALID_REQUIRED_ACKS', 'INVALID_REQUIRED_ACKS'],
  ] as const
  test.each(failures)('a failed append with %s is answered %s and has changed nothing', async (error, seenAs) => {
    const world = new World()
    world.commit(1n)
    await world.endTurn()
    await world.logs.succeed()
    const failed = world.commit(2n)
    await world.endTurn()
    await world.logs.fail(error)
    expect(failed.value).toBe(ErrorCode[seenAs])
    expect(world.committed()).toBe(1n)
    const next = world.commit(3n)
    await world.endTurn()
    await world.logs.succeed()
    expect(next.value).toBe(0)
  })

  test('an append that failed with its bytes in the log is read back: the log decides', async () => {
    const world = new World()
    const doubtful = world.commit(7n)
    await world.endTurn()
    await world.logs.failInDoubt()
    expect(doubtful.value).toBe(ErrorCode.NOT_COORDINATOR)
    expect(world.committed()).toBe(7n)
  })
})

describe('order within a group', () => {
  test('deleting a group waits for commits on their way, so that none is left behind', async () => {
    const world = new World()
    world.commit(1n)
    await world.endTurn()
    await world.logs.succeed()
    world.commit(2n, { partition: 1 })
    const deleted = new Promised(world.groups.deleteGroups({ groupsNames: ['g', 'g'] }))
    const later = world.commit(3n, { partition: 2 })
    await world.endTurn()
    await world.logs.succeed() // the commit
    await world.logs.succeed() // the deletion, of both offsets
    expect(deleted.value).toEqual({ results: [{ groupId: 'g', errorCode: 0 }] })
    expect([world.committed(0), world.committed(1)]).toEqual([-1n, -1n])
    await world.logs.succeed() // the commit that came after
    expect(later.value).toBe(0)
    expect(world.committed(2)).toBe(3n)
  })

  test('a deleted topic takes commits on their way with it', async () => {
    const world = new World()
    world.commit(1n)
    await world.endTurn()
    await world.logs.succeed()
    world.commit(2n)
    world.groups.topicDeleted(['t'])
    await world.endTurn()
    await world.logs.succeed()
    await world.logs.succeed()
    expect(world.committed()).toBe(-1n)
  })

  test('another group is not held up', async () => {
    const world = new World()
    void world.groups.joinGroup(joinRequest({ groupId: 'a' }), clientAt(9))
    await world.endTurn()
    const heartbeat = new Promised(
      world.groups.heartbeat({ groupId: 'b', generationId: 0, memberId: '', groupInstanceId: null }, clientAt(4)),
    )
    await settled()
    expect(heartbeat.value?.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
  })

  test('lanes let nobody overtake an exclusive event that waits', () => {
    const lanes = new Lanes<{ name: string; admission: { lane: string; mode: 'shared' | 'exclusive' } }>()
    const task = (name: string, mode: 'shared' | 'exclusive') => ({ name, admission: { lane: 'g', mode } })
    const first = task('commit', 'shared')
    expect(lanes.enter(first)).toBe(true)
    lanes.hold(first.admission)
    expect(lanes.enter(task('second commit', 'shared'))).toBe(true)
    expect(lanes.enter(task('delete', 'exclusive'))).toBe(false)
    expect(lanes.enter(task('late commit', 'shared'))).toBe(false)
    expect(lanes.next('g')).toBeUndefined()
    lanes.release(first.admission)
    const deletion = lanes.next('g')
    expect(deletion?.name).toBe('delete')
    lanes.hold({ lane: 'g', mode: 'exclusive' })
    expect(lanes.next('g')).toBeUndefined()
    lanes.release({ lane: 'g', mode: 'exclusive' })
    expect(lanes.next('g')?.name).toBe('late commit')
    expect(lanes.waiting).toBe(0)
  })
})

describe('electing and resigning', () => {
  test('who is not the coordinator says so, to every request', async () => {
    const world = new World({ elect: false })
    const commit = world.commit(1n)
    await settled()
    expect(commit.value).toBe(ErrorCode.NOT_COORDINATOR)
    expect(world.committed()).toBe(`error ${ErrorCode.NOT_COORDINATOR}`)
    expect(world.groups.listGroups({ statesFilter: [], typesFilter: [] })).toEqual({ groups: [] })
  })

  test('a small log is loaded before anyone can ask', async () => {
    const before = new World()
    before.commit(5n)
    await before.endTurn()
    await before.logs.succeed()
    const world = new World({ logs: before.logs })
    expect(world.committed()).toBe(5n)
  })

  test('everyone who waits is sent away on resign, and an append that comes back late is ignored', async () => {
    const world = new World()
    const join = new Promised(world.groups.joinGroup(joinRequest(), clientAt(3)))
    const commit = world.commit(1n, { groupId: 'h' })
    await world.endTurn()
    world.groups.partitionResigned(0)
    await settled()
    expect([join.value?.errorCode, commit.value]).toEqual([ErrorCode.NOT_COORDINATOR, ErrorCode.NOT_COORDINATOR])
    await world.logs.succeed()
    expect(world.host.pendingTimers).toBe(0)
  })

  test('elected again, it reads the log only after its earlier append has come back', async () => {
    const world = new World()
    world.commit(1n)
    await world.endTurn()
    world.groups.partitionResigned(0)
    const elected = new Promised(world.groups.partitionElected(0, 1).then(() => true))
    await settled()
    expect(world.committed()).toBe(`error ${ErrorCode.COORDINATOR_LOAD_IN_PROGRESS}`)
    const heartbeat = { groupId: 'g', generationId: 0, memberId: '', groupInstanceId: null }
    const answer = new Promised(world.groups.heartbeat(heartbeat, clientAt(4)))
    await settled()
    expect(answer.value?.errorCode).toBe(0) // a member cannot do anything about it
    await world.logs.succeed()
    expect(elected.value).toBe(true)
    expect(world.committed()).toBe(1n)
  })

  test('an older election is not obeyed', async () => {
    const world = new World({ elect: false })
    await world.groups.partitionElected(0, 5)
    world.groups.partitionResigned(0)
    await world.groups.partitionElected(0, 4)
    expect(world.committed()).toBe(`error ${ErrorCode.NOT_COORDINATOR}`)
  })

  test('a log of several megabytes lets others run while it is loaded', async () => {
    const logs = new MemoryLogs()
    for (let round = 0; round < 12; round++) {
      const records = Array.from({ length: 4_000 }, (_, index) => commitRecord(`g${round}`, index, 'x'.repeat(100)))
      logs.seed(0, encodeBatch({ records }, testBatchCodec))
    }
    const world = new World({ logs, elect: false, overrides: { 'offsets.load.buffer.size': '600000' } })
    const elected = world.groups.partitionElected(0, 0)
    expect(world.committed()).toBe(`error ${ErrorCode.COORDINATOR_LOAD_IN_PROGRESS}`)
    await elected
    expect(world.committed(3_999, 'g11')).toBe(1n)
  })

  test('a log that cannot be read leaves the partition without a coordinator, and says why', async () => {
    const logs = new MemoryLogs()
    const records = [{ key: Buffer.from([0, 1, 0]), value: Buffer.alloc(0) }]
    logs.seed(0, encodeBatch({ records }, testBatchCodec))
    const world = new World({ logs })
    expect(world.committed()).toBe(`error ${ErrorCode.NOT_COORDINATOR}`)
    expect(world.host.lines.map(({ level }) => level)).toContain('error')
  })

  test("another broker's records are understood: old versions, transactions, and types passed over", async () => {
    const logs = new MemoryLogs()
    const unknown = { key: Buffer.from([0, 99, 1, 2, 3]), value: Buffer.from([0, 0]) }
    logs.seed(0, encodeBatch({ records: [commitRecord('g', 0), unknown] }, testBatchCodec))
    const transaction = { producerId: 9n, producerEpoch: 0, baseSequence: 0, isTransactional: true }
    logs.seed(0, encodeBatch({ records: [commitRecord('g', 1)], ...transaction }, testBatchCodec))
    logs.seed(0, encodeBatch({ records: [commitRecord('g', 2)], ...transaction, producerId: 10n }, testBatchCodec))
    const marker = encodeControlRecord({ type: 'Commit', coordinatorEpoch: 0 })
    logs.seed(
      0,
      encodeBatch(
        { records: [marker], producerId: 9n, producerEpoch: 0, isTransactional: true, isControl: true },
        testBatchCodec,
      ),
    )
    const world = new World({ logs })
    expect([world.committed(0), world.committed(1), world.committed(2)]).toEqual([1n, 1n, -1n])
    const stable = world.groups.offsetFetch(
      {
        groupId: 'g',
        memberId: null,
        memberEpoch: -1,
        topics: [{ name: 't', topicId: ZERO_UUID, partitionIndexes: [2] }],
      },
      true,
    )
    expect(stable.topics?.[0]?.partitions?.[0]?.errorCode).toBe(ErrorCode.UNSTABLE_OFFSET_COMMIT)
    expect(world.host.lines.some(({ fields }) => fields['unknownRecords'] === 1)).toBe(true)
  })
})

function commitRecord(groupId: string, partition: number, metadata = '') {
  return groupRecordSerde.encode({
    kind: 'offset',
    groupId,
    topic: 't',
    partition,
    value: { offset: 1n, leaderEpoch: -1, metadata, commitTimestampMs: 0, expireTimestampMs: -1, topicId: ZERO_UUID },
  })
}

describe('the partition of a group', () => {
  const known: readonly [string, number][] = [
    ['', 0],
    ['a', 97],
    ['hello', 99162322],
    ['polygenelubricants', -2147483648],
    ['größe', 98762257],
    ['\u{1f600}x', 54959989],
  ]
  test.each(known)('hashCode of %j is that of Java', (text, hash) => {
    expect(javaHashCode(text)).toBe(hash)
  })

  test('the one hash without an absolute value goes to partition 0', () => {
    expect(partitionForKey('polygenelubricants', 50)).toBe(0)
    expect(partitionForKey('hello', 50)).toBe(22)
  })
})

describe('administration', () => {
  test('ListGroups filters by state and type, whatever the case', async () => {
    const world = new World()
    world.commit(1n, { groupId: 'a' })
    await world.endTurn()
    await world.logs.succeed()
    const list = (statesFilter: string[], typesFilter: string[] = []) =>
      world.groups.listGroups({ statesFilter, typesFilter }).groups?.map(({ groupId }) => groupId)
    expect(list([])).toEqual(['a'])
    expect(list(['EMPTY'])).toEqual(['a'])
    expect(list(['Stable'])).toEqual([])
    expect(list([], ['Classic'])).toEqual(['a'])
    expect(list([], ['consumer'])).toEqual([])
  })

  test('DescribeGroups of an unknown group is a dead group, and from version 6 on an error', () => {
    const world = new World()
    const describeAt = (apiVersion: number) =>
      world.groups.describeGroups({ groups: ['x'], includeAuthorizedOperations: false }, clientAt(apiVersion))
        .groups?.[0]
    expect(describeAt(5)).toEqual({ groupId: 'x', groupState: 'Dead' })
    expect(describeAt(6)).toMatchObject({ groupState: 'Dead', errorCode: ErrorCode.GROUP_ID_NOT_FOUND })
  })

  test('member ids look as those of Apache Kafka', async () => {
    const world = new World()
    const join = new Promised(world.groups.joinGroup(joinRequest(), { ...clientAt(9), clientId: 'app' }))
    await world.endTurn()
    await world.logs.succeed()
    expect(join.value?.memberId).toMatch(/^app-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})
