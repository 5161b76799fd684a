// Sessions, heartbeats, leaving and static members of classic groups, on the pure shard.
import { describe, expect, test } from 'vitest'
import { ErrorCode } from '#protocol'
import { protocols, ShardWorld } from './shard-world.ts'

describe('sessions', () => {
  test('a member that is not heard of for its session timeout is out, and the group rebalances', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2)
    world.advance(5_000)
    world.heartbeat({ memberId: memberIds[0] ?? '' })
    world.advance(5_000)
    expect(world.state()).toBe('PreparingRebalance')
    expect([...(world.shard.groups.get('g')?.members.keys() ?? [])]).toEqual([memberIds[0]])
  })

  test('the last member gone leaves an empty group of the next generation in the log', () => {
    const world = new ShardWorld()
    world.stableGroup(1)
    world.advance(10_000)
    expect(world.state()).toBe('Empty')
    expect(world.log.at(-1)).toMatchObject({
      value: { generation: 2, members: [], leaderId: null, protocolName: null },
    })
  })

  test('while the log does not take it, the group goes on preparing and tries again', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1)
    world.failNextAppend = 'COORDINATOR_NOT_AVAILABLE'
    const left = world.leave({ members: [{ memberId: memberIds[0] ?? '', groupInstanceId: null, reason: null }] })
    expect(left.answer.errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    expect(world.state()).toBe('PreparingRebalance')
    world.advance(1_000)
    expect(world.state()).toBe('Empty')
  })

  test('a member that waits in JoinGroup or SyncGroup does not expire', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2, { rebalanceTimeoutMs: 300_000, sessionTimeoutMs: 6_000 })
    const [leader, follower] = memberIds
    const rejoin = world.join({ memberId: leader ?? '', rebalanceTimeoutMs: 300_000, sessionTimeoutMs: 6_000 })
    for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 3_000) {
      world.heartbeat({ memberId: follower ?? '' })
      world.advance(3_000)
    }
    expect(rejoin.isParked).toBe(true)
    world.join({ memberId: follower ?? '', rebalanceTimeoutMs: 300_000, sessionTimeoutMs: 6_000 })
    expect(rejoin.answer.generationId).toBe(2)
    const parked = world.sync({ memberId: follower ?? '', generationId: 2 })
    for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 3_000) {
      world.heartbeat({ memberId: leader ?? '', generationId: 2 })
      world.advance(3_000)
    }
    expect(parked.isParked).toBe(true)
    world.sync({ memberId: leader ?? '', generationId: 2 })
    expect(parked.answer.errorCode).toBe(0)
  })

  test('a new member whose first join is never answered is out after five minutes', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1, { rebalanceTimeoutMs: 3_600_000, sessionTimeoutMs: 1_800_000 })
    const call = world.join({ apiVersion: 3 })
    world.advance(299_999)
    expect(call.isParked).toBe(true)
    world.advance(1)
    expect(call.answer).toMatchObject({ errorCode: ErrorCode.UNKNOWN_MEMBER_ID, memberId: '' })
    expect([...(world.shard.groups.get('g')?.members.keys() ?? [])]).toEqual(memberIds)
  })

  test('after a restart every member has a whole session to be heard of', () => {
    const before = new ShardWorld()
    const { memberIds } = before.stableGroup(2)
    const world = ShardWorld.fromLog(before.log)
    expect(world.state()).toBe('Stable')
    world.advance(9_999)
    expect(world.heartbeat({ memberId: memberIds[0] ?? '' })).toBe(0)
    world.advance(1)
    expect([...(world.shard.groups.get('g')?.members.keys() ?? [])]).toEqual([memberIds[0]])
  })

  const heartbeats: readonly [string, object, keyof typeof ErrorCode][] = [
    ['an empty group id', { groupId: '' }, 'INVALID_GROUP_ID'],
    ['an unknown group', { groupId: 'other' }, 'UNKNOWN_MEMBER_ID'],
    ['an unknown member', { memberId: 'stranger' }, 'UNKNOWN_MEMBER_ID'],
    ['an unknown instance', { groupInstanceId: 'i' }, 'UNKNOWN_MEMBER_ID'],
    ['another generation', { generationId: 7 }, 'ILLEGAL_GENERATION'],
    ['nothing wrong', {}, 'NONE'],
  ]
  test.each(heartbeats)('a heartbeat with %s', (_, options, error) => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1)
    expect(world.heartbeat({ memberId: memberIds[0] ?? '', ...options })).toBe(ErrorCode[error])
  })
})

describe('leaving', () => {
  const identity = (memberId: string, groupInstanceId: string | null = null) => ({
    memberId,
    groupInstanceId,
    reason: null,
  })

  test('several members leave at once, each with its own answer, and the group rebalances once', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(3)
    const [first, second, third] = memberIds
    const answer = world.leave({
      members: [identity(first ?? ''), identity('stranger'), identity(second ?? '')],
    }).answer
    expect(answer.members?.map(({ errorCode }) => errorCode)).toEqual([0, ErrorCode.UNKNOWN_MEMBER_ID, 0])
    expect(answer.errorCode ?? 0).toBe(0)
    expect(world.state()).toBe('PreparingRebalance')
    expect(world.join({ memberId: third ?? '' }).answer).toMatchObject({ generationId: 2, leader: third })
  })

  test('an administrator removes a static member by its instance id alone', () => {
    const world = new ShardWorld()
    world.stableGroup(2, { groupInstanceId: 'i' })
    const answer = world.leave({ members: [identity('', 'i0'), identity('', 'i9'), identity('wrong', 'i1')] }).answer
    expect(answer.members?.map(({ errorCode }) => errorCode)).toEqual([
      0,
      ErrorCode.UNKNOWN_MEMBER_ID,
      ErrorCode.FENCED_INSTANCE_ID,
    ])
  })

  test('before version 3 the answer is the one of the one member', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(1)
    expect(world.leave({ apiVersion: 2, memberId: 'stranger' }).answer).toEqual({
      errorCode: ErrorCode.UNKNOWN_MEMBER_ID,
    })
    expect(world.leave({ apiVersion: 2, memberId: memberIds[0] ?? '' }).answer).toEqual({ errorCode: 0 })
    expect(world.state()).toBe('Empty')
  })

  test('of a group that does not exist nobody is a member', () => {
    const world = new ShardWorld()
    expect(world.leave({ members: [identity('a'), identity('', 'i')] }).answer.members).toMatchObject([
      { errorCode: ErrorCode.UNKNOWN_MEMBER_ID },
      { errorCode: ErrorCode.UNKNOWN_MEMBER_ID },
    ])
    expect(world.leave({ apiVersion: 0, memberId: 'a' }).answer.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    expect(world.leave({ groupId: '' }).answer.errorCode).toBe(ErrorCode.INVALID_GROUP_ID)
  })

  test('a member id that was only handed out can be given back, and its timer goes with it', () => {
    const world = new ShardWorld()
    const { memberId } = world.join().answer
    expect(world.leave({ members: [identity(memberId ?? '')] }).answer.members?.[0]?.errorCode).toBe(0)
    expect(world.timers).toEqual(['sweep'])
  })

  test('the last member to leave ends a rebalance that waited for it', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2)
    const rejoin = world.join({ memberId: memberIds[0] ?? '' })
    world.leave({ members: [identity(memberIds[1] ?? '')] })
    expect(rejoin.answer).toMatchObject({ errorCode: 0, generationId: 2 })
  })
})

describe('static members (KIP-345)', () => {
  test('a restarted process takes its place back without a rebalance, and the old member id is fenced', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2, { groupInstanceId: 'i' })
    const answer = world.join({ groupInstanceId: 'i1', clientHost: '/10.0.0.9' }).answer
    expect(answer).toMatchObject({
      errorCode: 0,
      generationId: 1,
      leader: memberIds[0],
      members: [],
      skipAssignment: false,
    })
    const memberId = answer.memberId ?? ''
    expect(memberId).toMatch(/^i1-/)
    expect(world.state()).toBe('Stable')
    expect(world.log.at(-1)).toMatchObject({
      value: { members: [{}, { memberId, instanceId: 'i1', clientHost: '/10.0.0.9' }] },
    })
    expect(world.sync({ memberId, groupInstanceId: 'i1' }).answer.assignment).toEqual(
      Buffer.from(`for ${memberIds[1]}`),
    )
    for (const error of [
      world.heartbeat({ memberId: memberIds[1] ?? '', groupInstanceId: 'i1' }),
      world.sync({ memberId: memberIds[1] ?? '', groupInstanceId: 'i1' }).answer.errorCode,
      world.join({ memberId: memberIds[1] ?? '', groupInstanceId: 'i1' }).answer.errorCode,
    ]) {
      expect(error).toBe(ErrorCode.FENCED_INSTANCE_ID)
    }
    const commit = world.commit({ memberId: memberIds[1] ?? '', groupInstanceId: 'i1', generationIdOrMemberEpoch: 1 })
    expect(commit.answer.topics?.[0]?.partitions?.[0]?.errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID)
  })

  test('a restarted leader is told the members and, from version 9 on, to keep the assignment', () => {
    const world = new ShardWorld()
    world.stableGroup(2, { groupInstanceId: 'i' })
    const answer = world.join({ groupInstanceId: 'i0' }).answer
    expect(answer).toMatchObject({ leader: answer.memberId, members: [{}, {}], skipAssignment: true })
  })

  test('an older restarted leader is named the leader that was, so that it does not assign', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2, { groupInstanceId: 'i' })
    const answer = world.join({ groupInstanceId: 'i0', apiVersion: 8 }).answer
    expect(answer).toMatchObject({ leader: memberIds[0], members: [] })
    expect(answer.skipAssignment).toBeUndefined()
    expect(world.shard.groups.get('g')?.leaderId).toBe(answer.memberId)
  })

  test('a takeover the log did not take is as if it never happened', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2, { groupInstanceId: 'i' })
    const before = JSON.stringify(world.shard.describe('g'))
    world.failNextAppend = 'NOT_COORDINATOR'
    const answer = world.join({ groupInstanceId: 'i0', sessionTimeoutMs: 20_000, clientId: 'other' }).answer
    expect(answer).toMatchObject({ errorCode: ErrorCode.NOT_COORDINATOR, memberId: '' })
    expect(world.heartbeat({ memberId: memberIds[0] ?? '', groupInstanceId: 'i0' })).toBe(0)
    const group = world.shard.groups.get('g')
    expect(group?.leaderId).toBe(memberIds[0])
    expect(group?.member(memberIds[0] ?? '')?.sessionTimeoutMs).toBe(10_000)
    expect(JSON.parse(JSON.stringify(world.shard.describe('g')?.members))).toEqual(
      expect.arrayContaining(JSON.parse(before).members),
    )
  })

  test('a takeover that changes the protocol of the group makes it rebalance', () => {
    const world = new ShardWorld()
    world.stableGroup(1, { groupInstanceId: 'i', protocols: protocols('range', 'sticky') })
    expect(world.join({ groupInstanceId: 'i0', protocols: protocols('sticky', 'range') }).answer).toMatchObject({
      generationId: 2,
      protocolName: 'sticky',
    })
  })

  test('a takeover while members sync starts over, since the leader may know the old member id', () => {
    const world = new ShardWorld()
    const calls = [world.join({ groupInstanceId: 'a' }), world.join({ groupInstanceId: 'b' })]
    world.advance(9_000)
    const parked = world.sync({ memberId: calls[1]?.answer.memberId ?? '', groupInstanceId: 'b' })
    expect(world.join({ groupInstanceId: 'b' }).isParked).toBe(true)
    expect(parked.answer.errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID)
    expect(world.state()).toBe('PreparingRebalance')
  })

  test('a takeover of a member that waits in JoinGroup fences the one that waits', () => {
    const world = new ShardWorld()
    const first = world.join({ groupInstanceId: 'a' })
    const second = world.join({ groupInstanceId: 'a' })
    expect(first.answer.errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID)
    world.advance(6_000)
    expect(second.answer).toMatchObject({ errorCode: 0, generationId: 1 })
    expect(world.shard.groups.get('g')?.members.size).toBe(1)
  })

  test('one that misses a rebalance keeps its place until its session ends', () => {
    const world = new ShardWorld()
    const { memberIds } = world.stableGroup(2, {
      groupInstanceId: 'i',
      rebalanceTimeoutMs: 5_000,
      sessionTimeoutMs: 60_000,
    })
    const rejoin = world.join({
      memberId: memberIds[0] ?? '',
      groupInstanceId: 'i0',
      rebalanceTimeoutMs: 5_000,
      sessionTimeoutMs: 60_000,
    })
    world.advance(5_000)
    expect(rejoin.answer).toMatchObject({ generationId: 2, members: [{}, {}] })
  })

  test('static members that are all away hold the rebalance open until one is back', () => {
    const world = new ShardWorld()
    const options = { rebalanceTimeoutMs: 5_000, sessionTimeoutMs: 60_000 }
    const { memberIds } = world.stableGroup(2, { groupInstanceId: 'i', ...options })
    const dynamic = world.join({ apiVersion: 3, ...options })
    const [leaverId] = [...(world.shard.groups.get('g')?.members.keys() ?? [])].filter(id => !memberIds.includes(id))
    world.leave({ members: [{ memberId: leaverId ?? '', groupInstanceId: null, reason: null }] })
    expect(dynamic.answer.errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID)
    world.advance(5_000)
    expect(world.state()).toBe('PreparingRebalance')
    const back = world.join({ groupInstanceId: 'i1', ...options })
    world.advance(5_000)
    expect(back.answer).toMatchObject({ generationId: 2, leader: back.answer.memberId })
  })
})
