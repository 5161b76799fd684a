import { expect, test } from 'vitest'
import { KafkaError } from '#client'
import { PartitionStates } from '../../../src/client/consumer/partition-states.ts'

const chunk = (bytes: number) => ({ bytes: Buffer.alloc(bytes), abortedTransactions: [] })
const target = (partition: number) => ({ topic: 't', partition })

test('a partition is resolved before it is fetched, and fetched behind what is buffered', () => {
  const states = new PartitionStates()
  const state = states.assign(target(0), 'earliest')
  expect(states.toFetch(0, 2)).toEqual([])
  expect(states.toResolve(0)).toEqual([state])
  states.resolved(state, 10n)
  expect([states.toResolve(0), states.toFetch(0, 2)]).toEqual([[], [state]])
  states.fetched(state, chunk(100), 15n)
  expect([state.position, state.fetchOffset, states.bufferedBytes]).toEqual([10n, 15n, 100])
  states.fetched(state, chunk(50), 20n)
  expect(states.toFetch(0, 2)).toEqual([])
  expect(states.takeChunk()?.chunk.bytes.length).toBe(100)
  expect([states.bufferedBytes, states.toFetch(0, 2).length]).toEqual([50, 1])
})

test('a seek drops what was fetched ahead and outdates answers under way', () => {
  const states = new PartitionStates()
  const state = states.assign(target(0), { offset: 0n })
  states.resolved(state, 0n)
  states.fetched(state, chunk(10), 5n)
  const { epoch } = state
  states.reset(state, 'latest')
  expect(state.epoch).not.toBe(epoch)
  expect([states.bufferedBytes, states.takeChunk()]).toEqual([0, null])
})

test('answers for a partition that was taken away change nothing', () => {
  const states = new PartitionStates()
  const old = states.assign(target(0), 'earliest')
  const current = states.assign(target(0), 'earliest')
  states.resolved(old, 7n)
  states.fetched(old, chunk(10), 9n)
  expect(current.start).toBe('earliest')
  expect(states.bufferedBytes).toBe(0)
})

test('a paused partition is neither fetched nor handed out, and goes on where it stood', () => {
  const states = new PartitionStates()
  const state = states.assign(target(0), 'earliest')
  states.resolved(state, 3n)
  states.fetched(state, chunk(10), 9n)
  states.pause(state)
  expect([states.takeChunk(), states.toFetch(0, 2)]).toEqual([null, []])
  state.isPaused = false
  expect([state.fetchOffset, states.toFetch(0, 2).length]).toEqual([3n, 1])
})

test('partitions take turns', () => {
  const states = new PartitionStates()
  for (const partition of [0, 1, 2]) {
    const state = states.assign(target(partition), 'earliest')
    states.resolved(state, 0n)
    states.fetched(state, chunk(1), 1n)
    states.fetched(state, chunk(1), 2n)
  }
  const order = Array.from({ length: 6 }, () => states.takeChunk()?.state.partition)
  expect(new Set(order.slice(0, 3))).toEqual(new Set([0, 1, 2]))
})

test('a partition that keeps failing waits longer each time and is reported once its time is over', () => {
  const states = new PartitionStates()
  const state = states.assign(target(0), 'earliest')
  states.resolved(state, 0n)
  states.failed(state, new KafkaError('LEADER_NOT_AVAILABLE'), 100, 0)
  expect([states.toFetch(50, 2), states.nextRetryMs(50)]).toEqual([[], 100])
  expect(states.toFetch(100, 2)).toEqual([state])
  states.failed(state, new KafkaError('LEADER_NOT_AVAILABLE'), 500, 150)
  expect(states.stalled(1_000, 1_000)).toBeNull()
  expect(states.stalled(1_001, 1_000)).toBe(state)
  states.answeredEmpty(state)
  expect(states.stalled(9_999, 1_000)).toBeNull()
})

test('a read to the end is over when every partition has come to the end it had', () => {
  const states = new PartitionStates()
  const [a, b] = [states.assign(target(0), 'earliest'), states.assign(target(1), 'earliest')]
  states.wantEnds(true)
  states.resolved(a, 0n)
  states.resolved(b, 5n)
  expect([states.isAtEnd, states.toFetch(0, 2), states.toResolve(0).length]).toEqual([false, [], 2])
  states.endFound(a, 10n)
  states.endFound(b, 5n)
  expect(states.toFetch(0, 2)).toEqual([a])
  expect(states.isAtEnd).toBe(false)
  a.position = 10n
  expect(states.isAtEnd).toBe(true)
})
