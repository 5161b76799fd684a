import { expect, test } from 'vitest'
import { ErrorCode } from '#protocol'
import { Membership } from '../../../src/client/consumer/membership.ts'

const times = { sessionTimeoutMs: 10_000, heartbeatIntervalMs: 3_000, maxPollIntervalMs: 60_000 }

function joined(membership = new Membership(times), nowMs = 0): Membership {
  membership.coordinatorFound()
  membership.joinSent()
  membership.joined({ errorCode: 0, memberId: 'm', generation: 5 })
  membership.synced(0, nowMs)
  return membership
}

test('the way in: find, join for an id, join with it, sync', () => {
  const membership = new Membership(times)
  expect(membership.nextStep()).toBe('find-coordinator')
  membership.coordinatorFound()
  expect(membership.nextStep()).toBe('join')
  membership.joinSent()
  membership.joined({ errorCode: ErrorCode.MEMBER_ID_REQUIRED, memberId: 'm', generation: -1 })
  expect([membership.memberId, membership.nextStep()]).toEqual(['m', 'join'])
  membership.joinSent()
  membership.joined({ errorCode: 0, memberId: 'm', generation: 1 })
  expect(membership.nextStep()).toBe('sync')
  membership.synced(0, 0)
  expect([membership.nextStep(), membership.generation, membership.needsAttention]).toEqual(['none', 1, false])
})

test('a rebalance is joined only after the partitions were given up', () => {
  const membership = joined()
  membership.heartbeatAnswered(ErrorCode.REBALANCE_IN_PROGRESS, 1)
  expect([membership.nextStep(), membership.generation, membership.needsAttention]).toEqual(['revoke', 5, true])
  // Heartbeats go on meanwhile and bring the same news again.
  membership.heartbeatAnswered(ErrorCode.REBALANCE_IN_PROGRESS, 2)
  expect(membership.nextStep()).toBe('revoke')
  membership.revoked()
  expect([membership.nextStep(), membership.memberId]).toEqual(['join', 'm'])
})

test.each([
  ['ILLEGAL_GENERATION', 'm'],
  ['UNKNOWN_MEMBER_ID', ''],
] as const)('%s loses the partitions, without a commit, and joins again', (code, memberId) => {
  const membership = joined()
  membership.heartbeatAnswered(ErrorCode[code], 1)
  expect([membership.nextStep(), membership.generation, membership.memberId]).toEqual(['drop-lost', -1, memberId])
  membership.lostDropped()
  expect(membership.nextStep()).toBe('join')
})

test('a coordinator that moved costs nothing but a look-up', () => {
  const membership = joined()
  membership.heartbeatAnswered(ErrorCode.NOT_COORDINATOR, 1)
  expect([membership.generation, membership.nextStep(), membership.coordinatorKnown]).toEqual([
    5,
    'find-coordinator',
    false,
  ])
  membership.coordinatorFound()
  expect(membership.nextStep()).toBe('none')
})

test('a rebalance that begins during the sync leads back to the join', () => {
  const membership = new Membership(times)
  membership.coordinatorFound()
  membership.joinSent()
  membership.joined({ errorCode: 0, memberId: 'm', generation: 1 })
  membership.synced(ErrorCode.REBALANCE_IN_PROGRESS, 0)
  expect([membership.nextStep(), membership.needsAttention]).toEqual(['join', true])
})

test('heartbeats fall due by their interval, and a silent session is given up', () => {
  const membership = joined()
  expect(membership.due(2_999)).toBe('none')
  expect(membership.due(3_000)).toBe('heartbeat')
  membership.heartbeatSent(3_000)
  expect(membership.due(5_000)).toBe('none')
  membership.heartbeatAnswered(0, 5_000)
  expect(membership.due(15_000)).toBe('heartbeat')
  expect(membership.due(15_001)).toBe('none')
  expect(membership.nextStep()).toBe('drop-lost')
})

test('a reader that asks for nothing for too long leaves the group', () => {
  const membership = joined()
  for (let nowMs = 3_000; nowMs <= 60_000; nowMs += 3_000) {
    expect(membership.due(nowMs)).toBe('heartbeat')
    membership.heartbeatSent(nowMs)
    membership.heartbeatAnswered(0, nowMs)
  }
  expect(membership.due(60_001)).toBe('leave')
  expect(membership.isMember).toBe(false)
})

test('an error no retry mends ends the membership with that error', () => {
  const membership = joined()
  membership.heartbeatAnswered(ErrorCode.FENCED_INSTANCE_ID, 1)
  expect(membership.state).toMatchObject({ kind: 'failed', error: { code: 'FENCED_INSTANCE_ID' } })
  expect(membership.nextStep()).toBe('none')
})

test('an answer that comes after the membership has moved on changes nothing', () => {
  const membership = joined()
  membership.joined({ errorCode: 0, memberId: 'other', generation: 9 })
  membership.synced(ErrorCode.UNKNOWN_MEMBER_ID, 0)
  expect([membership.generation, membership.memberId]).toEqual([5, 'm'])
  membership.leave()
  membership.heartbeatAnswered(ErrorCode.UNKNOWN_MEMBER_ID, 1)
  expect(membership.state.kind).toBe('left')
})
