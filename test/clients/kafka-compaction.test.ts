// Compaction under Apache Kafka 4.3.1's own judges: LogCompactionTester reads back the newest value of every key it wrote, and DumpLogSegments
// finds nothing to complain about in the directories the cleaner leaves. `npm run compaction` keeps the load up for ten minutes.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts'
import { kafkaTool } from './toolbox/kafka-jars.mjs'

/** How long the load is kept up; the short form writes once. */
const LOAD_MS = Number(process.env.MILLRACE_COMPACTION_MINUTES ?? 0) * 60_000
const ROUND_TIMEOUT_MS = 180_000

let broker: BrokerProcess
beforeAll(async () => {
  broker = await startBrokerProcess({
    'num.partitions': 1,
    'log.segment.bytes': 1_048_576,
    'log.cleaner.backoff.ms': 100,
    'log.cleaner.min.cleanable.ratio': 0.01,
    'log.cleaner.delete.retention.ms': 500,
    // So small that one map does not hold all keys.
    'log.cleaner.dedupe.buffer.size': 1_048_576,
    'log.retention.check.interval.ms': 500,
    'log.segment.delete.delay.ms': 1_000,
  })
})
afterAll(() => broker.remove())

const directories = () => readdirSync(broker.dataDirectory).filter(name => /^(log-cleaner-test|bounded)/.test(name))
const filesOf = (directory: string, pattern: RegExp) =>
  readdirSync(join(broker.dataDirectory, directory))
    .filter(name => pattern.test(name))
    .sort()
    .map(name => join(broker.dataDirectory, directory, name))

async function verifiedByTester(messages: number, codec: string): Promise<void> {
  const { stdout } = await kafkaTool(
    'org.apache.kafka.tools.LogCompactionTester',
    [
      ['--bootstrap-server', broker.bootstrap],
      ['--messages', String(messages)],
      ['--topics', '2'],
      ['--duplicates', '10'],
      ['--percent-deletes', '20'],
      // Seconds, whatever its help says.
      ['--sleep', '2'],
      ['--compression-type', codec],
    ].flat(),
    { timeoutMs: ROUND_TIMEOUT_MS },
  )
  expect(stdout).toMatch(/Validated \d+ values, 0 mismatches/)
  expect(stdout).toContain('Data verification is completed')
  const [, reduction = '0'] = /\(([\d.]+)% reduction\)/.exec(stdout) ?? []
  // Otherwise nothing was compacted before it read, and the verdict says nothing.
  expect(Number(reduction)).toBeGreaterThan(10)
}

async function producedTo(topic: string, records: number): Promise<void> {
  const load = ['--topic', topic, '--num-records', String(records), '--record-size', '500', '--throughput', '-1']
  const client = ['--command-property', `bootstrap.servers=${broker.bootstrap}`, 'acks=all']
  await kafkaTool('org.apache.kafka.tools.ProducerPerformance', [...load, ...client])
}

/** With the broker stopped, so that no file goes while it is read. */
async function judgedByDumpLogSegments(directory: string): Promise<void> {
  const dump = async (...args: string[]) => (await kafkaTool('org.apache.kafka.tools.DumpLogSegments', args)).stdout
  const logs = await dump('--deep-iteration', '--files', filesOf(directory, /\.log$/).join(','))
  // It also names the holes that compaction leaves ('Non-consecutive offsets'), as in Kafka's own logs.
  expect(logs).toMatch(/isvalid: true/)
  expect(logs).not.toMatch(/isvalid: false|corrupt|exception/i)
  const indexes = filesOf(directory, /\.(time)?index$/)
  const sanity = await dump('--index-sanity-check', '--files', indexes.join(','))
  expect(sanity.match(/passed sanity check/g)?.length).toBe(indexes.length)
  const against = await dump('--files', indexes.join(','))
  expect(against).not.toMatch(/mismatch|not equal|out of order|Found timestamp/i)
}

test('LogCompactionTester and DumpLogSegments find a compacted log in order', {
  timeout: LOAD_MS + 400_000,
}, async () => {
  const endMs = Date.now() + LOAD_MS
  const codecs = ['none', 'lz4', 'zstd', 'gzip', 'snappy']
  const bounded = ['--create', '--topic', 'bounded', '--config', 'retention.bytes=3000000']
  await kafkaTool('org.apache.kafka.tools.TopicCommand', ['--bootstrap-server', broker.bootstrap, ...bounded])
  let round = 0
  do {
    await Promise.all([
      verifiedByTester(LOAD_MS > 0 ? 300_000 : 150_000, codecs[round % codecs.length] ?? 'none'),
      producedTo('bounded', 20_000),
    ])
    round += 1
  } while (Date.now() < endMs)
  expect(broker.output).not.toMatch(/cannot compact/)
  await broker.stop()
  expect(directories().length).toBe(round * 2 + 1)
  for (const directory of directories()) await judgedByDumpLogSegments(directory)
})
