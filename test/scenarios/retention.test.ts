// How a log ages on a running node: by size, by time and by DeleteRecords, and what a restart still knows of it.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deleteRecords, incrementalAlterConfigs, listOffsets } from '#protocol'
import { startBroker, type TestBroker } from '#test-kit'
import { fetchFrom, produceTo } from './records.ts'
import { WireClient } from './wire-client.ts'

const SET = 0
const TOPIC_RESOURCE = 2
const EARLIEST = -2n
const LATEST = -1n
const PATIENCE = { timeout: 20_000, interval: 50 }
/** Three of them fill a segment: the key is as long. */
const LARGE = 'x'.repeat(150_000)

let path: string
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'millrace-retention-'))
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

const start = (topics: Parameters<typeof startBroker>[0]): Promise<TestBroker> =>
  startBroker({
    storage: { path },
    settings: {
      'log.retention.check.interval.ms': '50',
      'log.initial.task.delay.ms': '0',
      'log.segment.delete.delay.ms': '10',
    },
    ...topics,
  })

async function offsetOf(client: WireClient, topic: string, timestamp: bigint): Promise<bigint> {
  const { topics } = await client.send(listOffsets, 7, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp }] }],
  })
  return topics[0]?.partitions[0]?.offset ?? -1n
}

async function configure(client: WireClient, topic: string, name: string, value: string): Promise<void> {
  const { responses } = await client.send(incrementalAlterConfigs, 1, {
    resources: [
      { resourceType: TOPIC_RESOURCE, resourceName: topic, configs: [{ name, configOperation: SET, value }] },
    ],
    validateOnly: false,
  })
  expect(responses[0]?.errorCode).toBe(0)
}

const segments = (topic: string) =>
  readdirSync(join(path, `${topic}-0`))
    .filter(name => name.endsWith('.log'))
    .sort()
const doomed = (topic: string) => readdirSync(join(path, `${topic}-0`)).filter(name => name.endsWith('.deleted'))

test('segments above retention.bytes go, oldest first, and their files with them', async () => {
  await using kafka = await start({
    topics: { sized: { configs: { 'segment.bytes': '1048576', 'retention.bytes': '2000000' } } },
  })
  const client = await WireClient.open(kafka.port)
  for (let index = 0; index < 20; index += 1) await produceTo(client, 'sized', [LARGE])
  // Seven segments of three records, the last of two: 600,000 and 900,000 and 900,000 bytes are the fewest above the limit.
  await expect.poll(() => offsetOf(client, 'sized', EARLIEST), PATIENCE).toBe(12n)
  expect(await offsetOf(client, 'sized', LATEST)).toBe(20n)
  expect(segments('sized')).toEqual(['12', '15', '18'].map(base => `${base.padStart(20, '0')}.log`))
  await expect.poll(() => doomed('sized'), PATIENCE).toEqual([])
  await expect(fetchFrom(client, 'sized', 3n)).rejects.toThrow('1')
  client.close()
})

test('a log all of whose records are too old ends empty, goes on at its end offset, and stays so over a restart', async () => {
  const before = await start({ topics: { aged: {} } })
  const client = await WireClient.open(before.port)
  await produceTo(client, 'aged', ['a', 'b', 'c'])
  await configure(client, 'aged', 'retention.ms', '1')
  await expect.poll(() => offsetOf(client, 'aged', EARLIEST), PATIENCE).toBe(3n)
  expect(segments('aged')).toEqual(['00000000000000000003.log'])
  await configure(client, 'aged', 'retention.ms', '-1')
  expect(await produceTo(client, 'aged', ['d'])).toMatchObject({ errorCode: 0, baseOffset: 3n })
  client.close()
  await before.stop()

  await using after = await start({})
  const again = await WireClient.open(after.port)
  expect(await offsetOf(again, 'aged', EARLIEST)).toBe(3n)
  expect(await fetchFrom(again, 'aged', 3n)).toEqual(['d'])
  again.close()
})

test('without the policy delete nothing goes by age or size', async () => {
  const configs = { 'retention.ms': '1', 'retention.bytes': '1' }
  await using kafka = await start({
    topics: {
      compacted: { configs: { ...configs, 'cleanup.policy': 'compact' } },
      kept: { configs: { ...configs, 'cleanup.policy': '' } },
      both: { configs: { ...configs, 'cleanup.policy': 'compact,delete' } },
    },
  })
  const client = await WireClient.open(kafka.port)
  for (const topic of ['compacted', 'kept', 'both']) await produceTo(client, topic, ['a', 'b'])
  await expect.poll(() => offsetOf(client, 'both', EARLIEST), PATIENCE).toBe(2n)
  expect(await offsetOf(client, 'compacted', EARLIEST)).toBe(0n)
  expect(await offsetOf(client, 'kept', EARLIEST)).toBe(0n)
  client.close()
})

test('DeleteRecords moves the log start, deletes whole segments below it, and is remembered', async () => {
  const before = await start({ topics: { cut: { configs: { 'segment.bytes': '1048576' } } } })
  const client = await WireClient.open(before.port)
  for (let index = 0; index < 7; index += 1) await produceTo(client, 'cut', [LARGE])
  const cut = async (offset: bigint) => {
    const { topics } = await client.send(deleteRecords, 2, {
      topics: [{ name: 'cut', partitions: [{ partitionIndex: 0, offset }] }],
      timeoutMs: 5000,
    })
    return topics[0]?.partitions[0]
  }
  expect(await cut(4n)).toMatchObject({ errorCode: 0, lowWatermark: 4n })
  expect(segments('cut')).toEqual(['3', '6'].map(base => `${base.padStart(20, '0')}.log`))
  expect(await cut(2n), 'the start never moves back').toMatchObject({ errorCode: 0, lowWatermark: 4n })
  expect(await cut(8n), 'there is no such record').toMatchObject({ errorCode: 1 })
  client.close()
  await before.stop()

  await using after = await start({})
  const again = await WireClient.open(after.port)
  expect(await offsetOf(again, 'cut', EARLIEST)).toBe(4n)
  again.close()
})
