// Committing, fetching, deleting and expiring offsets, and the administration of groups, on the pure shard.
import { describe, expect, test } from 'vitest'
import { ErrorCode, ZERO_UUID } from '#protocol'
import { OffsetStore } from '../../src/coordinator/group/offsets/offset-store.ts'
import { type CommitOptions, protocols, ShardWorld } from './shard-world.ts'

const DAY_MS = 86_400_000

function errorsOf(call: ReturnType<ShardWorld['commit']>): number[] {
  return (call.answer.topics ?? []).flatMap(({ partitions }) =>
    (partitions ?? []).map(({ errorCode }) => errorCode ?? 0),
  )
}

describe('OffsetCommit', () => {
  test('a simple consumer commits to a group nobody joins, and the group exists because of it', () => {
    const world = new ShardWorld()
    expect(errorsOf(world.commit({ offsets: { 'a-0': 5n, 'b-3': 7n } }))).toEqual([0, 0])
    expect([world.committed('a-0'), world.committed('b-3')]).toEqual([5n, 7n])
    expect(world.shard.list()).toEqual([{ groupId: 'g', protocolType: '', groupState: 'Empty', groupType: 'classic' }])
  })

  type Case = readonly [string, CommitOptions, keyof typeof ErrorCode]
  const withoutGroup: readonly Case[] = [
    ['a generation of a group that does not exist', { generationIdOrMemberEpoch: 1 }, 'GROUP_ID_NOT_FOUND'],
    ['the same before version 9', { generationIdOrMemberEpoch: 1, apiVersion: 8 }, 'ILLEGAL_GENERATION'],
    ['metadata that is too long', { metadata: 'x'.repeat(17) }, 'OFFSET_METADATA_TOO_LARGE'],
    ['metadata of the longest length', { metadata: 'x'.repeat(16) }, 'NONE'],
    ['an empty group id', { groupId: '' }, 'NONE'],
  ]
  test.each(withoutGroup)('with %s', (_, options, error) => {
    const world = new ShardWorld()
    expect(errorsOf(world.commit(options))).toEqual([ErrorCode[error]])
    expect(world.log.length).toBe(error === 'NONE' ? 1 : 0)
  })

  const withGroup: readonly Case[] = [
    ['no member at all', {}, 'UNKNOWN_MEMBER_ID'],
    ['an unknown member', { memberId: 'stranger', generationIdOrMemberEpoch: 1 }, 'UNKNOWN_MEMBER_ID'],
    ['an old generation', { generationIdOrMemberEpoch: 0, memberId: 'MEMBER' }, 'ILLEGAL_GENERATION'],
    [
      'an unknown instance',
      { generationIdOrMemberEpoch: 1, memberId: 'MEMBER', groupInstanceId: 'i' },
      'UNKNOWN_MEMBER_ID',
    ],
    ['the right member', { generationIdOrMemberEpoch: 1, memberId: 'MEMBER' }, 'NONE'],
  ]
  test.each(withGroup)('to a stable group by %s', (_, options, error) => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1)
    const memberId = options.memberId === 'MEMBER' ? (memberIds[0] ?? '') : (options.memberId ?? '')
    expect(errorsOf(world.commit({ ...options, memberId }))).toEqual([ErrorCode[error]])
    expect(world.committed('topic-0')).toBe(error === 'NONE' ? 10n : -1n)
  })

  test('is refused while the generation waits for its assignments, and taken while members gather', () => {
    const world = new ShardWorld()
    const { call, memberId } = world.joinTwice()
    world.advance(3_000)
    expect(call.answer.generationId).toBe(1)
    const mine = { memberId, generationIdOrMemberEpoch: 1 }
    expect(errorsOf(world.commit(mine))).toEqual([ErrorCode.REBALANCE_IN_PROGRESS])
    world.sync({ memberId })
    world.join({ apiVersion: 3 })
    expect(world.state()).toBe('PreparingRebalance')
    expect(errorsOf(world.commit(mine))).toEqual([0])
  })

  test('keeps the session of its member alive', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1)
    for (let index = 0; index < 10; index++) {
      world.advance(9_000)
      expect(errorsOf(world.commit({ memberId: memberIds[0] ?? '', generationIdOrMemberEpoch: 1 }))).toEqual([0])
    }
    expect(world.state()).toBe('Stable')
  })

  test('that was not logged has committed nothing', () => {
    const world = new ShardWorld()
    world.commit({ offsets: { 'a-0': 1n } })
    world.failNextAppend = 'COORDINATOR_NOT_AVAILABLE'
    expect(errorsOf(world.commit({ offsets: { 'a-0': 2n } }))).toEqual([ErrorCode.COORDINATOR_NOT_AVAILABLE])
    expect(world.committed('a-0')).toBe(1n)
  })

  test('of one request is one append', () => {
    const world = new ShardWorld()
    world.commit({ offsets: Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`t-${index}`, 1n])) })
    expect(world.appends.length).toBe(1)
  })
})

describe('OffsetFetch', () => {
  const fetched = (
    world: ShardWorld,
    topics: { name: string; topicId?: string; partitionIndexes: number[] }[] | null,
  ) =>
    world.shard.fetch(
      {
        groupId: 'g',
        memberId: null,
        memberEpoch: -1,
        topics: topics?.map(topic => ({ topicId: ZERO_UUID, ...topic })) ?? null,
      },
      false,
    )

  test('gives back offset, leader epoch and metadata', () => {
    const world = new ShardWorld()
    world.commit({ offsets: { 'a-0': 5n }, leaderEpoch: 3, metadata: 'mine' })
    expect(fetched(world, [{ name: 'a', partitionIndexes: [0, 1] }]).topics?.[0]?.partitions).toEqual([
      { partitionIndex: 0, committedOffset: 5n, committedLeaderEpoch: 3, metadata: 'mine', errorCode: 0 },
      { partitionIndex: 1, committedOffset: -1n, committedLeaderEpoch: -1, metadata: '', errorCode: 0 },
    ])
  })

  test('of all topics names every committed one, and none of a group that does not exist', () => {
    const world = new ShardWorld()
    expect(fetched(world, null)).toEqual({ groupId: 'g', topics: [], errorCode: 0 })
    world.commit({ offsets: { 'a-0': 5n, 'b-1': 6n } })
    expect(fetched(world, null).topics?.map(({ name, partitions }) => [name, partitions?.length])).toEqual([
      ['a', 1],
      ['b', 1],
    ])
  })

  test('an offset of a topic that was deleted and made again is not one of the new topic', () => {
    const world = new ShardWorld()
    const [oldId, newId] = ['a'.repeat(21) + 'A', 'b'.repeat(21) + 'A']
    world.commit({ offsets: { 'a-0': 5n }, topicId: oldId })
    const offset = (topicId: string) =>
      fetched(world, [{ name: 'a', topicId, partitionIndexes: [0] }]).topics?.[0]?.partitions?.[0]?.committedOffset
    expect([offset(oldId), offset(newId), offset(ZERO_UUID)]).toEqual([5n, -1n, 5n])
  })
})

describe('transactional offsets in the log of another broker', () => {
  const record = (offset: bigint) => ({
    kind: 'offset' as const,
    groupId: 'g',
    topic: 't',
    partition: 0,
    value: { offset, leaderEpoch: -1, metadata: '', commitTimestampMs: 0, expireTimestampMs: -1, topicId: ZERO_UUID },
  })

  test('take effect with their commit marker, vanish with an abort, and are unstable before', () => {
    const store = new OffsetStore()
    store.replay(record(1n), 0n, -1n)
    store.replay(record(2n), 1n, 77n)
    expect(store.get('g', 't', 0)?.offset).toBe(1n)
    expect(store.isUnstable('g', 't', 0)).toBe(true)
    store.replayMarker(77n, true)
    expect(store.get('g', 't', 0)?.offset).toBe(2n)
    store.replay(record(3n), 3n, 77n)
    store.replayMarker(77n, false)
    expect(store.get('g', 't', 0)?.offset).toBe(2n)
    expect(store.isUnstable('g', 't', 0)).toBe(false)
  })

  test('do not undo a commit that was logged after them', () => {
    const store = new OffsetStore()
    store.replay(record(2n), 1n, 77n)
    store.replay(record(9n), 2n, -1n)
    store.replayMarker(77n, true)
    expect(store.get('g', 't', 0)?.offset).toBe(9n)
  })
})

describe('OffsetDelete', () => {
  const remove = (world: ShardWorld, topics: Record<string, number[]>, groupId = 'g') =>
    world.send<'deleteOffsets'>({
      kind: 'deleteOffsets',
      request: {
        groupId,
        topics: Object.entries(topics).map(([name, partitions]) => ({
          name,
          partitions: partitions.map(partitionIndex => ({ partitionIndex })),
        })),
      },
    }).answer

  test('of a running group of consumers: only topics it is not subscribed to', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1)
    const mine = { memberId: memberIds[0] ?? '', generationIdOrMemberEpoch: 1 }
    world.commit({ ...mine, offsets: { 'topic-0': 1n, 'other-0': 2n } })
    expect(remove(world, { topic: [0], other: [0, 1] }).topics).toEqual([
      { name: 'topic', partitions: [{ partitionIndex: 0, errorCode: ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC }] },
      {
        name: 'other',
        partitions: [
          { partitionIndex: 0, errorCode: 0 },
          { partitionIndex: 1, errorCode: 0 },
        ],
      },
    ])
    expect([world.committed('topic-0'), world.committed('other-0')]).toEqual([1n, -1n])
  })

  test('of a running group that is not one of consumers is refused', () => {
    const world = new ShardWorld()
    world.stableGroup(1, { protocolType: 'connect' })
    expect(remove(world, { a: [0] }).errorCode).toBe(ErrorCode.NON_EMPTY_GROUP)
  })

  test('of consumers whose subscription cannot be read nothing is deleted', () => {
    const world = new ShardWorld()
    world.stableGroup(1, { protocols: [{ name: 'range', metadata: Buffer.from('?') }] })
    expect(remove(world, { a: [0] }).topics?.[0]?.partitions?.[0]?.errorCode).toBe(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC)
  })

  test('of no group, or one that does not exist, is an error', () => {
    const world = new ShardWorld()
    expect(remove(world, {}, '').errorCode).toBe(ErrorCode.INVALID_GROUP_ID)
    expect(remove(world, {}, 'other').errorCode).toBe(ErrorCode.GROUP_ID_NOT_FOUND)
  })
})

describe('DeleteGroups', () => {
  const remove = (world: ShardWorld, groupId = 'g') =>
    world.send<'deleteGroup'>({ kind: 'deleteGroup', groupId }).answer.errorCode

  test('an empty group goes with all its offsets', () => {
    const world = new ShardWorld()
    world.commit({ offsets: { 'a-0': 1n, 'b-0': 2n } })
    expect(remove(world)).toBe(0)
    expect(world.state()).toBe('none')
    expect(world.committed('a-0')).toBe(-1n)
    expect(ShardWorld.fromLog(world.log).shard.groups.size).toBe(0)
  })

  test('also with more offsets than fit an append', () => {
    const world = new ShardWorld()
    const offsets = Object.fromEntries(Array.from({ length: 2_500 }, (_, index) => [`t-${index}`, 1n]))
    world.commit({ offsets })
    expect(remove(world)).toBe(0)
    expect(world.appends.map(records => records.length)).toEqual([2_500, 1_000, 1_000, 501])
    expect(world.shard.offsets.count).toBe(0)
  })

  test('a group with members is not deleted, and one that does not exist is an error', () => {
    const world = new ShardWorld()
    world.stableGroup(1)
    expect(remove(world)).toBe(ErrorCode.NON_EMPTY_GROUP)
    expect(remove(world, 'other')).toBe(ErrorCode.GROUP_ID_NOT_FOUND)
  })

  test('that was not logged has deleted nothing', () => {
    const world = new ShardWorld()
    world.commit()
    world.failNextAppend = 'NOT_COORDINATOR'
    expect(remove(world)).toBe(ErrorCode.NOT_COORDINATOR)
    expect(world.committed('topic-0')).toBe(10n)
  })
})

describe('retention (KIP-211)', () => {
  test('offsets of a simple consumer expire after their commit, each for itself, and the group with the last', () => {
    const world = new ShardWorld()
    world.commit({ offsets: { 'a-0': 1n } })
    world.advance(DAY_MS / 2)
    world.commit({ offsets: { 'b-0': 1n } })
    world.advance(DAY_MS / 2)
    expect([world.committed('a-0'), world.committed('b-0')]).toEqual([-1n, 1n])
    world.advance(DAY_MS / 2)
    expect(world.state()).toBe('none')
    expect(world.log.at(-1)).toEqual({ kind: 'group', groupId: 'g', value: null })
  })

  test('offsets of a group that became empty expire from then on, however old they are', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1, { sessionTimeoutMs: 1_800_000 })
    const memberId = memberIds[0] ?? ''
    world.commit({ memberId, generationIdOrMemberEpoch: 1 })
    for (let waitedMs = 0; waitedMs < 2 * DAY_MS; waitedMs += 1_000_000) {
      world.heartbeat({ memberId })
      world.advance(1_000_000)
    }
    expect(world.committed('topic-0')).toBe(10n) // subscribed
    world.leave({ members: [{ memberId, groupInstanceId: null, reason: null }] })
    world.advance(DAY_MS - 600_000)
    expect(world.committed('topic-0')).toBe(10n)
    world.advance(1_200_000)
    expect(world.committed('topic-0')).toBe(-1n)
    expect(world.state()).toBe('none')
  })

  test('a stable group keeps offsets of topics it reads and loses old ones of others', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1, { sessionTimeoutMs: 1_800_000 })
    const memberId = memberIds[0] ?? ''
    world.commit({ memberId, generationIdOrMemberEpoch: 1, offsets: { 'topic-0': 1n, 'other-0': 2n } })
    for (let waitedMs = 0; waitedMs < DAY_MS + 1_200_000; waitedMs += 1_000_000) {
      world.heartbeat({ memberId })
      world.advance(1_000_000)
    }
    expect([world.committed('topic-0'), world.committed('other-0')]).toEqual([1n, -1n])
  })

  test('a retention time in the request (versions 2 to 4) goes before that of the broker', () => {
    const world = new ShardWorld()
    world.commit({ apiVersion: 4, retentionTimeMs: 1_000n })
    world.advance(600_000)
    expect(world.committed('topic-0')).toBe(-1n)
  })

  test('a group somebody is about to join is not removed', () => {
    const world = new ShardWorld()
    const { memberId } = world.join({ sessionTimeoutMs: 1_800_000 }).answer
    world.advance(600_000)
    expect(world.join({ memberId: memberId ?? '' }).isParked).toBe(true)
  })

  test('more expired offsets than fit an append go in several', () => {
    const world = new ShardWorld()
    world.commit({ offsets: Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`t-${index}`, 1n])) })
    world.advance(DAY_MS)
    expect(world.appends.slice(1).map(records => records.length)).toEqual([1_000, 1_000, 1])
    expect(world.shard.groups.size).toBe(0)
  })
})

describe('a deleted topic', () => {
  test('takes its offsets with it, in every group', () => {
    const world = new ShardWorld()
    world.commit({ groupId: 'g1', offsets: { 'a-0': 1n, 'b-0': 1n } })
    world.commit({ groupId: 'g2', offsets: { 'a-7': 1n } })
    world.post({ kind: 'topicsDeleted', topics: [{ name: 'a' }] })
    expect([world.committed('a-0', 'g1'), world.committed('b-0', 'g1'), world.committed('a-7', 'g2')]).toEqual([
      -1n,
      1n,
      -1n,
    ])
  })

  test('leaves offsets of a new topic of that name alone', () => {
    const world = new ShardWorld()
    const [oldId, newId] = ['a'.repeat(21) + 'A', 'b'.repeat(21) + 'A']
    world.commit({ offsets: { 'a-0': 1n }, topicId: newId })
    world.post({ kind: 'topicsDeleted', topics: [{ name: 'a', topicId: oldId }] })
    expect(world.committed('a-0')).toBe(1n)
  })
})

describe('DescribeGroups and ListGroups', () => {
  test('show metadata of stable groups only', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1, { clientId: 'app', protocols: protocols('range', 'sticky') })
    expect(world.shard.describe('g')).toMatchObject({
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      members: [
        {
          memberId: memberIds[0],
          clientId: 'app',
          clientHost: '/127.0.0.1',
          memberAssignment: Buffer.from(`for ${memberIds[0]}`),
        },
      ],
    })
    world.join({ apiVersion: 3 })
    expect(world.shard.describe('g')).toMatchObject({
      groupState: 'PreparingRebalance',
      protocolData: '',
      members: [{ memberMetadata: Buffer.alloc(0), memberAssignment: Buffer.from(`for ${memberIds[0]}`) }, {}],
    })
    expect(world.shard.describe('other')).toBeNull()
  })
})
