// When logs are cleaned: lanes, rests, and how the cleaner ends. Time is manual and the core is a script.
import { expect, test } from 'vitest'
import { BrokerConfig } from '#config'
import { manualHost } from '#host'
import { NativeError } from '#native'
import { LogCleaner } from '../../src/broker/partition-io/log-cleaner.ts'

type Answer = number | NativeError | Promise<never>

/** Each job takes the next answer; without one nothing is due. */
function world(settings: Record<string, string>, answers: Answer[], mayCompact = () => true) {
  const host = manualHost()
  const seen = { jobs: 0, looks: 0 }
  const cleaner = new LogCleaner({
    config: BrokerConfig.load({ overrides: settings }),
    data: {
      mayCompact() {
        seen.looks += 1
        return mayCompact()
      },
    },
    partitionIo: {
      async run() {
        seen.jobs += 1
        const answer = await answers.shift()
        if (answer instanceof NativeError) throw answer
        return { compacted: answer ?? 0 }
      },
    },
    host,
    logger: host.logger,
  })
  return { host, cleaner, seen }
}

const settled = () => new Promise(resolve => setImmediate(resolve))

test('a lane goes on while logs are due and then rests', async () => {
  const { host, cleaner, seen } = world({ 'log.cleaner.backoff.ms': '1000' }, [1, 1, 0, 1])
  cleaner.start()
  await settled()
  expect(seen.jobs).toBe(3)
  host.advance(999)
  await settled()
  expect(seen.jobs).toBe(3)
  host.advance(1)
  await settled()
  expect(seen.jobs).toBe(5)
  await cleaner.stop()
  host.advance(100_000)
  await settled()
  expect(seen.jobs).toBe(5)
})

test('no job is made while no log can be dirty', async () => {
  const { host, cleaner, seen } = world({}, [], () => false)
  cleaner.start()
  for (let round = 1; round <= 3; round += 1) {
    await settled()
    expect(seen).toEqual({ jobs: 0, looks: round })
    host.advance(15_000)
  }
  await cleaner.stop()
})

test('each thread is a lane of its own, and all of them stop', async () => {
  const { cleaner, seen } = world({ 'log.cleaner.threads': '3' }, [])
  cleaner.start()
  await settled()
  expect(seen.jobs).toBe(3)
  await cleaner.stop()
})

test('a switched-off cleaner does nothing', async () => {
  const { cleaner, seen } = world({ 'log.cleaner.enable': 'false' }, [1])
  cleaner.start()
  await settled()
  expect(seen.looks).toBe(0)
  await cleaner.stop()
})

test('a failed cleaning rests and tries again; a closed core ends the lane', async () => {
  const answers = [
    new NativeError('UNCLEANABLE', 'damaged'),
    new NativeError('NO_SPACE', 'full'),
    new NativeError('CLOSED', 'closed'),
  ]
  const { host, cleaner, seen } = world({ 'log.cleaner.backoff.ms': '10' }, answers)
  cleaner.start()
  for (let round = 1; round <= 5; round += 1) {
    await settled()
    expect(seen.jobs).toBe(Math.min(round, 3))
    host.advance(10)
  }
  await cleaner.stop()
})

test('stopping waits for the cleaning under way', async () => {
  let end: () => void = () => {}
  const running = new Promise<never>((_, reject) => {
    end = () => reject(new NativeError('CLOSED', 'closed'))
  })
  const { cleaner } = world({}, [running])
  cleaner.start()
  await settled()
  let hasStopped = false
  const stopping = cleaner.stop().then(() => {
    hasStopped = true
  })
  await settled()
  expect(hasStopped).toBe(false)
  end()
  await stopping
})
