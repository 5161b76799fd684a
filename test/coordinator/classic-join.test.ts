// JoinGroup, SyncGroup and the rebalance between them, on the pure shard.
import { describe, expect, test } from 'vitest'
import { ErrorCode } from '#protocol'
import { type JoinOptions, protocols, ShardWorld } from './shard-world.ts'

describe('who may join', () => {
  const refused: readonly [string, JoinOptions, keyof typeof ErrorCode][] = [
    ['an empty group id', { groupId: '' }, 'INVALID_GROUP_ID'],
    ['a session timeout below the minimum', { sessionTimeoutMs: 5_999 }, 'INVALID_SESSION_TIMEOUT'],
    ['a session timeout above the maximum', { sessionTimeoutMs: 1_800_001 }, 'INVALID_SESSION_TIMEOUT'],
    ['no protocol', { protocols: [] }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['no protocol type', { protocolType: '' }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['a member id of a group that does not exist', { memberId: 'me' }, 'UNKNOWN_MEMBER_ID'],
  ]
  test.each(refused)('%s is refused and leaves no group behind', (_, options, error) => {
    const world = new ShardWorld()
    expect(world.join(options).answer.errorCode).toBe(ErrorCode[error])
    expect(world.shard.groups.size).toBe(0)
    expect(world.log).toEqual([])
  })

  const refusedByGroup: readonly [string, JoinOptions, keyof typeof ErrorCode][] = [
    ['another protocol type', { protocolType: 'connect' }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['no protocol in common', { protocols: protocols('sticky') }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['an unknown member id', { memberId: 'stranger' }, 'UNKNOWN_MEMBER_ID'],
    ['an unknown instance id with a member id', { memberId: 'x', groupInstanceId: 'i' }, 'UNKNOWN_MEMBER_ID'],
  ]
  test.each(refusedByGroup)('a stable group refuses %s and stays stable', (_, options, error) => {
    const world = new ShardWorld()
    world.stableGroup(2)
    expect(world.join(options).answer.errorCode).toBe(ErrorCode[error])
    expect(world.state()).toBe('Stable')
  })

  test('a group of group.max.size members takes no more', () => {
    const world = new ShardWorld({ groupSizeMax: 2 })
    world.stableGroup(2)
    const answer = world.join({ apiVersion: 3 }).answer
    expect(answer).toMatchObject({ errorCode: ErrorCode.GROUP_MAX_SIZE_REACHED, memberId: '' })
    expect(world.state()).toBe('Stable')
  })

  test('of a group larger than group.max.size the last to come back are let go', () => {
    const before = new ShardWorld()
    const { memberIds } = before.stableGroup(3)
    const world = ShardWorld.fromLog(before.log, { ...before.settings, groupSizeMax: 2 })
    expect(world.state()).toBe('PreparingRebalance')
    const calls = memberIds.map(memberId => world.join({ memberId }))
    expect(calls[2]?.answer.errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED)
    expect(calls[0]?.answer).toMatchObject({ errorCode: 0, generationId: 2 })
    expect(world.shard.groups.get('g')?.members.size).toBe(2)
  })

  test('a new group exists once the log has it', () => {
    const world = new ShardWorld()
    world.failNextAppend = 'COORDINATOR_NOT_AVAILABLE'
    expect(world.join().answer.errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    expect(world.shard.groups.size).toBe(0)
    world.join()
    expect(world.log).toMatchObject([{ kind: 'group', groupId: 'g', value: { generation: 0, members: [] } }])
  })
})

describe('member ids (KIP-394)', () => {
  test('from version 4 on a new member is told its id and must come back with it', () => {
    const world = new ShardWorld()
    const answer = world.join({ apiVersion: 4, clientId: 'app' }).answer
    expect(answer).toMatchObject({ errorCode: ErrorCode.MEMBER_ID_REQUIRED, memberId: 'app-uuid1' })
    expect(world.state()).toBe('Empty')
    expect(world.join({ apiVersion: 4, memberId: 'app-uuid1' }).isParked).toBe(true)
    expect(world.state()).toBe('PreparingRebalance')
  })

  test.each([0, 3])('version %i joins at once', apiVersion => {
    const world = new ShardWorld()
    const call = world.join({ apiVersion })
    expect(call.isParked).toBe(true)
    world.advance(3_000)
    expect(call.answer).toMatchObject({
      errorCode: 0,
      generationId: 1,
      memberId: 'client-uuid1',
      leader: 'client-uuid1',
    })
  })

  test('a member id nobody comes back with is forgotten after the session timeout', () => {
    const world = new ShardWorld()
    const { memberId } = world.join().answer
    world.advance(10_000)
    expect(world.join({ memberId: memberId ?? '' }).answer.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
  })

  test('a rebalance waits for a member that has been given an id, until that expires', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1)
    world.join({ sessionTimeoutMs: 6_000 })
    const rejoin = world.join({ memberId: memberIds[0] ?? '' })
    expect(rejoin.isParked).toBe(true)
    world.advance(6_000)
    expect(rejoin.answer).toMatchObject({ errorCode: 0, generationId: 2 })
  })
})

describe('the initial rebalance delay', () => {
  test('members that start together share the first generation', () => {
    const world = new ShardWorld()
    const first = world.joinTwice()
    world.advance(2_000)
    const second = world.joinTwice()
    world.advance(1_000)
    expect(first.call.isParked).toBe(true) // someone joined: once more
    world.advance(3_000)
    expect(first.call.answer.generationId).toBe(1)
    expect(second.call.answer.generationId).toBe(1)
  })

  test('it is put off while members keep joining, but not past the rebalance timeout', () => {
    const world = new ShardWorld()
    const first = world.joinTwice({ rebalanceTimeoutMs: 10_000 })
    const startedMs = world.nowMs
    while (first.call.isParked) {
      world.advance(1_000)
      if (first.call.isParked) world.joinTwice({ rebalanceTimeoutMs: 10_000 })
    }
    expect(world.nowMs - startedMs).toBe(10_000)
  })

  test('without a delay the first member leads a generation of its own', () => {
    const world = new ShardWorld({ initialRebalanceDelayMs: 0 })
    const { call } = world.joinTwice()
    world.advance(0)
    expect(call.answer.generationId).toBe(1)
  })
})

describe('a generation', () => {
  test('only the leader is told who the members are', () => {
    const world = new ShardWorld()
    const calls = [world.joinTwice(), world.joinTwice(), world.joinTwice()]
    world.advance(9_000)
    const answers = calls.map(({ call }) => call.answer)
    expect(new Set(answers.map(({ leader }) => leader)).size).toBe(1)
    expect(answers.map(({ members }) => members?.length)).toEqual([3, 0, 0])
    expect(answers[0]).toMatchObject({ protocolType: 'consumer', protocolName: 'range' })
    expect(world.state()).toBe('CompletingRebalance')
  })

  const votes: readonly [string, readonly (readonly string[])[], string][] = [
    [
      'the favourite of most',
      [
        ['a', 'b'],
        ['b', 'a'],
        ['b', 'a'],
      ],
      'b',
    ],
    ['of those all share', [['a', 'b'], ['a', 'b'], ['b']], 'b'],
    [
      'the first voted for when equal',
      [
        ['a', 'b'],
        ['b', 'a'],
      ],
      'a',
    ],
    ['the only one', [['a']], 'a'],
  ]
  test.each(votes)('uses the protocol that is %s', (_, members, expected) => {
    const world = new ShardWorld()
    const calls = members.map(names => world.joinTwice({ protocols: protocols(...names) }))
    world.advance(30_000)
    expect(calls.map(({ call }) => call.answer.protocolName)).toEqual(members.map(() => expected))
  })

  test('members wait for the leader to sync; one it left out gets an empty assignment', () => {
    const world = new ShardWorld()
    const calls = [world.joinTwice(), world.joinTwice(), world.joinTwice()]
    world.advance(9_000)
    const [leader, second, third] = calls.map(({ memberId }) => memberId)
    const secondSync = world.sync({ memberId: second ?? '' })
    expect(secondSync.isParked).toBe(true)
    const assignments = [
      { memberId: leader ?? '', assignment: Buffer.from('L') },
      { memberId: second ?? '', assignment: Buffer.from('S') },
      { memberId: 'stranger', assignment: Buffer.from('X') },
    ]
    const leaderSync = world.sync({ memberId: leader ?? '', assignments })
    expect(leaderSync.answer.assignment).toEqual(Buffer.from('L'))
    expect(secondSync.answer.assignment).toEqual(Buffer.from('S'))
    expect(world.state()).toBe('Stable')
    expect(world.sync({ memberId: third ?? '' }).answer).toMatchObject({ errorCode: 0, assignment: Buffer.alloc(0) })
    expect(world.log.at(-1)).toMatchObject({ value: { generation: 1, leaderId: leader, members: [{}, {}, {}] } })
  })

  test('an assignment that could not be logged reaches nobody, and the group starts over', () => {
    const world = new ShardWorld()
    const calls = [world.joinTwice(), world.joinTwice()]
    world.advance(9_000)
    const [leader, follower] = calls.map(({ memberId }) => memberId ?? '')
    const parked = world.sync({ memberId: follower ?? '' })
    world.failNextAppend = 'NOT_COORDINATOR'
    const assignments = [{ memberId: leader ?? '', assignment: Buffer.from('L') }]
    expect(world.sync({ memberId: leader ?? '', assignments }).answer.errorCode).toBe(ErrorCode.NOT_COORDINATOR)
    expect(parked.answer).toMatchObject({ errorCode: ErrorCode.NOT_COORDINATOR })
    expect(world.state()).toBe('PreparingRebalance')
    expect(world.shard.describe('g')?.members?.every(member => member.memberAssignment?.length === 0)).toBe(true)
  })

  test('members that never sync are out after the rebalance timeout', () => {
    const world = new ShardWorld()
    const calls = [world.joinTwice(), world.joinTwice()]
    world.advance(9_000)
    const [leader, follower] = calls.map(({ memberId }) => memberId ?? '')
    world.sync({ memberId: leader ?? '', assignments: [] })
    for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 5_000) {
      expect(world.heartbeat({ memberId: leader ?? '' })).toBe(0)
      expect(world.heartbeat({ memberId: follower ?? '' })).toBe(0)
      world.advance(5_000)
    }
    expect(world.heartbeat({ memberId: follower ?? '' })).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    expect(world.heartbeat({ memberId: leader ?? '' })).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
  })

  const wrongSyncs: readonly [string, object, keyof typeof ErrorCode][] = [
    ['an empty group id', { groupId: '' }, 'INVALID_GROUP_ID'],
    ['an unknown group', { groupId: 'other' }, 'UNKNOWN_MEMBER_ID'],
    ['an unknown member', { memberId: 'stranger' }, 'UNKNOWN_MEMBER_ID'],
    ['an old generation', { generationId: 0 }, 'ILLEGAL_GENERATION'],
    [
      'another protocol name',
      { apiVersion: 5, protocolType: 'consumer', protocolName: 'x' },
      'INCONSISTENT_GROUP_PROTOCOL',
    ],
    [
      'another protocol type',
      { apiVersion: 5, protocolType: 'x', protocolName: 'range' },
      'INCONSISTENT_GROUP_PROTOCOL',
    ],
    ['no protocol in version 5', { apiVersion: 5 }, 'INCONSISTENT_GROUP_PROTOCOL'],
  ]
  test.each(wrongSyncs)('SyncGroup with %s is refused', (_, options, error) => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2)
    expect(world.sync({ memberId: memberIds[0] ?? '', ...options }).answer.errorCode).toBe(ErrorCode[error])
  })
})

describe('rejoining', () => {
  test('a follower with unchanged metadata gets the present generation without a rebalance', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2)
    const answer = world.join({ memberId: memberIds[1] ?? '' }).answer
    expect(answer).toMatchObject({ errorCode: 0, generationId: 1, leader: memberIds[0], members: [] })
    expect(world.state()).toBe('Stable')
  })

  const causes: readonly [string, (ids: readonly string[]) => JoinOptions][] = [
    ['the leader of a stable group', ids => ({ memberId: ids[0] ?? '' })],
    ['a follower with new metadata', ids => ({ memberId: ids[1] ?? '', protocols: protocols('range', 'sticky') })],
    ['a new member', () => ({ apiVersion: 3 })],
  ]
  test.each(causes)('%s starts a rebalance, and the others learn it from their heartbeats', (_, options) => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2)
    expect(world.join(options(memberIds)).isParked).toBe(true)
    expect(world.heartbeat({ memberId: memberIds[1] ?? '' })).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
    expect(world.sync({ memberId: memberIds[1] ?? '' }).answer.errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
  })

  test('while members sync, one that rejoins unchanged gets the generation again, a changed one starts over', () => {
    const world = new ShardWorld()
    const calls = [world.joinTwice(), world.joinTwice()]
    world.advance(9_000)
    const [leader, follower] = calls.map(({ memberId }) => memberId ?? '')
    expect(world.join({ memberId: leader ?? '' }).answer).toMatchObject({ generationId: 1, members: [{}, {}] })
    const parked = world.sync({ memberId: leader ?? '' })
    expect(parked.isParked).toBe(false) // the leader: assignments are logged at once
    expect(world.state()).toBe('Stable')
    expect(world.join({ memberId: follower ?? '', protocols: protocols('range', 'x') }).isParked).toBe(true)
    expect(world.state()).toBe('PreparingRebalance')
  })

  test('a rebalance while members wait for their assignment sends them back to join', () => {
    const world = new ShardWorld()
    const calls = [world.joinTwice(), world.joinTwice()]
    world.advance(9_000)
    const parked = world.sync({ memberId: calls[1]?.memberId ?? '' })
    world.join({ apiVersion: 3 })
    expect(parked.answer.errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
  })

  test('who has not rejoined by the rebalance timeout is out, and the next leader is one that has', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(3)
    const [, second, third] = memberIds
    const rejoin = world.join({ memberId: second ?? '', protocols: protocols('range', 'x') })
    for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 5_000) {
      world.heartbeat({ memberId: third ?? '' })
      world.advance(5_000)
    }
    expect(rejoin.answer).toMatchObject({
      errorCode: 0,
      generationId: 2,
      leader: second,
      members: [{ memberId: second }],
    })
    expect(world.heartbeat({ memberId: third ?? '', generationId: 2 })).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
  })

  test('a member that joins twice is answered on its newer request only, and the older one is not left hanging', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2)
    const older = world.join({ memberId: memberIds[0] ?? '' })
    const newer = world.join({ memberId: memberIds[0] ?? '' })
    expect(older.answer.errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
    expect(newer.isParked).toBe(true)
    world.join({ memberId: memberIds[1] ?? '' })
    expect(newer.answer).toMatchObject({ errorCode: 0, generationId: 2 })
  })

  test('version 0 has no rebalance timeout: the session timeout serves', () => {
    const world = new ShardWorld()
    world.join({ apiVersion: 0, sessionTimeoutMs: 7_000, rebalanceTimeoutMs: -1 })
    expect(world.shard.groups.get('g')?.rebalanceTimeoutMs).toBe(7_000)
  })

  test('a rebalance timeout of 0 expels the member before it can sync', () => {
    const world = new ShardWorld()
    const { call, memberId } = world.joinTwice({ rebalanceTimeoutMs: 0 })
    world.advance(3_000)
    expect(call.answer.errorCode).toBe(0)
    world.advance(0)
    expect(world.sync({ memberId }).answer.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
  })
})
