// Batches that the broker wrote in the codec of their topic (compression.type), whatever the producer chose, read by librdkafka, franz-go, the
// Java consumer and Apache Kafka's own reader of segment files.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts'
import { run } from './toolbox/cache.mjs'
import { franzGoPath } from './toolbox/franz-go.mjs'
import { kafkaTool } from './toolbox/kafka-jars.mjs'
import { kcat } from './toolbox/kcat.mjs'
import { kafkaAdmin } from './topics.ts'

const CODECS = ['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd']
const sent = Array.from({ length: 600 }, (_, index) => `k${index % 7}:value ${index} ${'payload-'.repeat(20)}`)

let broker: BrokerProcess
beforeAll(async () => {
  broker = await startBrokerProcess()
  const topics = CODECS.map(codec => ({
    topic: `kept-${codec}`,
    numPartitions: 1,
    configEntries: [
      { name: 'compression.type', value: codec },
      { name: 'compression.gzip.level', value: '9' },
      { name: 'compression.zstd.level', value: '-3' },
    ],
  }))
  await kafkaAdmin(broker.bootstrap, admin => admin.createTopics({ topics }))
  // Each is produced to in another codec than its own.
  for (const [index, codec] of CODECS.entries()) {
    const as = [...CODECS.slice(1), 'none'][index] ?? 'none'
    const produce = ['-P', '-t', `kept-${codec}`, '-K:', '-H', 'h=1', '-z', as, '-X', 'enable.idempotence=true']
    await kcat(['-b', broker.bootstrap, '-q', ...produce], { input: `${sent.join('\n')}\n` })
  }
}, 60_000)
afterAll(() => broker.remove())

test.each(CODECS)('librdkafka reads what was written anew in %s', async codec => {
  const consume = ['-C', '-t', `kept-${codec}`, '-o', 'beginning', '-e', '-f', '%o|%h|%k:%s\n', '-X', 'check.crcs=true']
  const { stdout } = await kcat(['-b', broker.bootstrap, '-q', ...consume])
  expect(stdout.trimEnd().split('\n')).toEqual(sent.map((line, index) => `${index}|h=1|${line}`))
})

test("the Java consumer reads all of it, and Kafka's own tool finds the codec in every batch", async () => {
  const consumer = ['--bootstrap-server', broker.bootstrap, '--include', 'kept-.*', '--from-beginning']
  const limits = ['--max-messages', String(CODECS.length * sent.length), '--timeout-ms', '30000']
  const { stdout } = await kafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [...consumer, ...limits])
  const values = sent.map(line => line.slice(line.indexOf(':') + 1))
  expect(stdout.trimEnd().split('\n').sort()).toEqual(CODECS.flatMap(() => values).sort())

  const files = CODECS.flatMap(codec => {
    const directory = join(broker.dataDirectory, `kept-${codec}-0`)
    const names = readdirSync(directory).filter(name => name.endsWith('.log'))
    return names.map(name => join(directory, name))
  })
  const dumped = await kafkaTool('org.apache.kafka.tools.DumpLogSegments', [
    '--deep-iteration',
    '--files',
    files.join(','),
  ])
  const found = dumped.stdout.split(/^Dumping /m).flatMap(part => {
    const codec = part.match(/kept-(\w+)-0\//)?.[1] ?? ''
    return [...part.matchAll(/^baseOffset: .* compresscodec: (\S+) .* isvalid: (\S+)/gm)].map(
      ([, name, valid]) => `${codec}: ${name} ${valid}`,
    )
  })
  const expected = CODECS.map(codec => `${codec}: ${codec === 'uncompressed' ? 'none' : codec} true`)
  expect([...new Set(found)].sort()).toEqual(expected.sort())
}, 180_000)

test.each(['snappy', 'lz4'])(
  'franz-go writes in every codec and reads %s',
  async codec => {
    const topic = `franz-${codec}`
    await kafkaAdmin(broker.bootstrap, admin =>
      admin.createTopics({
        topics: [{ topic, numPartitions: 4, configEntries: [{ name: 'compression.type', value: codec }] }],
      }),
    )
    const { stdout } = await run(await franzGoPath(), ['group', broker.bootstrap, topic, '50'], { timeoutMs: 100_000 })
    expect(JSON.parse(stdout).records).toBe(2 * 50 * 5)
  },
  110_000,
)
