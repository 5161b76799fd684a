import { expect, test } from 'vitest'
import { KafkaError } from '#client'
import { manualHost } from '#host'
import { backoffMs } from '../../../src/client/network/backoff.ts'
import { Deadline, pause, retry, Wakeup, within } from '../../../src/client/network/waiting.ts'

const backoff = { initialMs: 100, maxMs: 1_000 }
/** Lets promise callbacks run until nothing more happens at this moment. */
const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

test('a backoff doubles up to its maximum and spreads by a fifth', () => {
  expect([0, 1, 2, 3, 4, 60].map(failures => backoffMs(backoff, failures, 0.5))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ])
  expect(backoffMs(backoff, 0, 0)).toBeCloseTo(80)
  expect(backoffMs(backoff, 0, 0.999_999)).toBeCloseTo(120, 3)
})

test('a retriable error is tried again until it succeeds', async () => {
  const host = manualHost()
  let attempts = 0
  const done = retry({ host, deadline: new Deadline(host, 10_000), backoff }, async () => {
    attempts += 1
    if (attempts < 4) throw new KafkaError('NOT_LEADER_OR_FOLLOWER')
    return attempts
  })
  for (let step = 0; step < 4; step++) {
    await settle()
    host.advance(1_200)
  }
  expect(await done).toBe(4)
  expect(host.pendingTimers).toBe(0)
})

test('the deadline ends retries with the last error, before a pause that would outlast it', async () => {
  const host = manualHost()
  let attempts = 0
  const done = retry({ host, deadline: new Deadline(host, 350), backoff }, async () => {
    attempts += 1
    throw new KafkaError('LEADER_NOT_AVAILABLE', `attempt ${attempts}`)
  })
  const failed = expect(done).rejects.toThrow('attempt')
  for (let step = 0; step < 10; step++) {
    await settle()
    host.advance(100)
  }
  await failed
  expect(attempts).toBeLessThanOrEqual(3)
  expect(host.pendingTimers).toBe(0)
})

test('an error that no retry mends is thrown at once', async () => {
  const host = manualHost()
  let attempts = 0
  const attempt = async (): Promise<never> => {
    attempts += 1
    throw new KafkaError('TOPIC_AUTHORIZATION_FAILED')
  }
  await expect(retry({ host, deadline: new Deadline(host, 1_000), backoff }, attempt)).rejects.toMatchObject({
    code: 'TOPIC_AUTHORIZATION_FAILED',
  })
  expect(attempts).toBe(1)
})

test('an abort ends a pause with its reason and leaves no timer', async () => {
  const host = manualHost()
  const abort = new AbortController()
  const paused = pause(host, 1_000, abort.signal)
  abort.abort(new Error('enough'))
  await expect(paused).rejects.toThrow('enough')
  expect(host.pendingTimers).toBe(0)
})

test('within() gives up at the deadline without waiting for the work', async () => {
  const host = manualHost()
  const never = new Promise<void>(() => {})
  const waiting = within(host, 'the answer', new Deadline(host, 500), undefined, never)
  host.advance(500)
  await expect(waiting).rejects.toMatchObject({
    code: 'REQUEST_TIMED_OUT',
    message: 'the answer took longer than 500 ms',
  })
})

test('a ring before the wait is not lost, and counts once', async () => {
  const host = manualHost()
  const wakeup = new Wakeup()
  wakeup.ring()
  await wakeup.wait(host, 1_000, undefined)
  const second = wakeup.wait(host, 1_000, undefined)
  let woken = false
  void second.then(() => (woken = true))
  await settle()
  expect(woken).toBe(false)
  host.advance(1_000)
  await second
})
