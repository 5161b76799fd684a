// A compacted topic on a running node: the cleaner finds it by itself, and clients see the newest record of each key.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nativeBatchCodec } from '#native'
import { encodeBatch, offsetCommit, offsetFetch, produce } from '#protocol'
import { startBroker, type TestBroker } from '#test-kit'
import { fetchFrom } from './records.ts'
import { WireClient } from './wire-client.ts'

const KEYS = 8

async function write(client: WireClient, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number += 1) {
    const record = {
      key: Buffer.from(`key-${number % KEYS}`),
      value: Buffer.from(`${number}`.padEnd(200, '.')),
      timestamp: BigInt(Date.now()),
    }
    const response = await client.send(produce, 9, {
      acks: -1,
      timeoutMs: 5000,
      topicData: [
        { name: 'table', partitionData: [{ index: 0, records: encodeBatch({ records: [record] }, nativeBatchCodec) }] },
      ],
    })
    expect(response.responses[0]?.partitionResponses[0]?.errorCode).toBe(0)
  }
}

/** Each value is its own offset: what a consumer sees from `from` to the end. */
async function read(client: WireClient, from: number): Promise<number[]> {
  const values: number[] = []
  while (values.at(-1) !== 299) {
    const next = (values.at(-1) ?? from - 1) + 1
    values.push(...(await fetchFrom(client, 'table', BigInt(next))).map(value => Number.parseInt(value, 10)))
  }
  return values
}

async function cleanings(kafka: TestBroker, count: number): Promise<void> {
  while ((kafka.broker.metrics()['CleanedLogsTotal'] ?? 0) < count)
    await new Promise(resolve => setTimeout(resolve, 20))
}

test('the log cleaner keeps the newest record of each key, and says so in its checkpoint', async () => {
  await using kafka = await startBroker({
    settings: { 'log.cleaner.backoff.ms': '50' },
    topics: {
      table: {
        configs: {
          'cleanup.policy': 'compact',
          'internal.segment.bytes': '4096',
          'min.cleanable.dirty.ratio': '0.01',
        },
      },
    },
  })
  const client = await WireClient.open(kafka.port)
  await write(client, 0, 200)
  await cleanings(kafka, 1)
  await write(client, 200, 300)
  await cleanings(kafka, 2)
  const values = await read(client, 0)
  expect(new Set(values.slice(-KEYS)).size).toBe(KEYS)
  expect(values.at(-1)).toBe(299)
  expect(values.length).toBeLessThan(150)
  // A fetch from inside a hole goes on with the next record there is.
  const hole = [...Array(200).keys()].find(offset => !values.includes(offset)) ?? 0
  const behind = await read(client, hole)
  expect(behind[0]).toBeGreaterThan(hole)
  // The cleaner may have gone on meanwhile: the newest of each key are all that is sure to be there.
  expect(behind.slice(-KEYS)).toEqual(values.slice(-KEYS))
  client.close()

  const [directory = ''] = kafka.broker.logDirs
  const checkpoint = readFileSync(join(directory, 'cleaner-offset-checkpoint'), 'utf8')
  expect(checkpoint).toMatch(/^0\n1\ntable 0 \d+\n$/)
  expect(readdirSync(join(directory, 'table-0')).filter(name => /\.(cleaned|swap)$/.test(name))).toEqual([])
  expect(kafka.broker.metrics()).toMatchObject({ 'uncleanable-partitions-count': 0 })
})

test('committed offsets are compacted and still there after a restart', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millrace-compaction-'))
  const settings = {
    'log.cleaner.backoff.ms': '50',
    'log.cleaner.min.cleanable.ratio': '0.01',
    'offsets.topic.num.partitions': '1',
    'offsets.topic.segment.bytes': '1048576',
  }
  try {
    const first = await startBroker({ storage: { path }, settings, topics: { read: {} } })
    const client = await WireClient.open(first.port)
    // 4 KB each: a segment and a half, of which one record a group is worth keeping.
    for (let offset = 1; offset <= 400; offset += 1) {
      const partition = { partitionIndex: 0, committedOffset: BigInt(offset), committedMetadata: 'm'.repeat(4000) }
      const committed = await client.send(offsetCommit, 7, {
        groupId: `group-${offset % 3}`,
        topics: [{ name: 'read', partitions: [partition] }],
      })
      expect(committed.topics[0]?.partitions[0]?.errorCode).toBe(0)
    }
    await cleanings(first, 1)
    client.close()
    await first.stop()
    const log = join(path, '__consumer_offsets-0')
    const bytes = readdirSync(log)
      .filter(name => name.endsWith('.log'))
      .reduce((sum, name) => sum + statSync(join(log, name)).size, 0)
    expect(bytes).toBeLessThan(1_000_000)

    await using second = await startBroker({ storage: { path }, settings })
    const again = await WireClient.open(second.port)
    for (const [group, expected] of [399n, 400n, 398n].entries()) {
      const fetched = await again.send(offsetFetch, 7, {
        groupId: `group-${group}`,
        topics: [{ name: 'read', partitionIndexes: [0] }],
      })
      expect(fetched.topics[0]?.partitions[0]?.committedOffset).toBe(expected)
    }
    again.close()
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
})
