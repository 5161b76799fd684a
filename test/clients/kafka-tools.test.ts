// Apache Kafka 4.3.1's own tools and Java clients: topics, performance tools, console clients, groups, offsets, and its reader of our files.
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts'
import { kafkaClassPath, kafkaTool } from './toolbox/kafka-jars.mjs'

let broker: BrokerProcess
let scratch: string
beforeAll(async () => {
  // Small segments, so that the files hold rolled segments and full indexes.
  broker = await startBrokerProcess({ 'log.segment.bytes': 1_048_576, 'log.index.interval.bytes': 4096 })
  scratch = mkdtempSync(join(tmpdir(), 'millrace-kafka-tools-'))
})
afterAll(async () => {
  await broker.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const topicTool = (...args: string[]) =>
  kafkaTool('org.apache.kafka.tools.TopicCommand', ['--bootstrap-server', broker.bootstrap, ...args])
const lines = (text: string) => text.split('\n').filter(line => line.trim() !== '')
const properties = (name: string, text: string) => {
  const path = join(scratch, name)
  writeFileSync(path, text)
  return path
}

/** What DumpLogSegments finds wrong. It calls every segment but the first "non-consecutive" because it begins after offset -1: that alone is no fault. */
function complaintsOf(output: string): string[] {
  const complaint =
    /Mismatches in|corrupt|exception|Found timestamp mismatch|Found out of order|isvalid: false|is followed by/i
  return lines(output).filter((line, at, all) => {
    const base = all[at - 1]?.match(/^Non-consecutive offsets in .*?(\d{20})\.log$/)?.[1]
    return complaint.test(line) && !(base !== undefined && line.trim() === `-1 is followed by ${Number(base)}`)
  })
}

test('TopicCommand creates, lists, alters, describes and deletes', async () => {
  await topicTool('--create', '--topic', 'tool-topic', '--partitions', '3', '--config', 'retention.ms=3600000')
  await expect(topicTool('--create', '--topic', 'tool-topic')).rejects.toThrow(/TopicExistsException|already exists/)
  expect(lines((await topicTool('--list')).stdout)).toContain('tool-topic')
  await topicTool('--alter', '--topic', 'tool-topic', '--partitions', '5')
  const { stdout } = await topicTool('--describe', '--topic', 'tool-topic')
  expect(stdout).toMatch(/PartitionCount: 5\s+ReplicationFactor: 1/)
  expect(stdout).toMatch(/retention\.ms=3600000/)
  expect(stdout.match(/Leader: \d+\s+Replicas: \d+\s+Isr: \d+/g)).toHaveLength(5)
  await topicTool('--delete', '--topic', 'tool-topic')
  expect(lines((await topicTool('--list')).stdout)).not.toContain('tool-topic')
}, 120_000)

test('ConfigCommand changes a topic setting and reads it back', async () => {
  const config = (...args: string[]) =>
    kafkaTool('org.apache.kafka.tools.ConfigCommand', [
      '--bootstrap-server',
      broker.bootstrap,
      '--entity-type',
      'topics',
      '--entity-name',
      'tool-config',
      ...args,
    ]).catch(() =>
      kafkaTool('kafka.admin.ConfigCommand', [
        '--bootstrap-server',
        broker.bootstrap,
        '--entity-type',
        'topics',
        '--entity-name',
        'tool-config',
        ...args,
      ]),
    )
  await topicTool('--create', '--topic', 'tool-config')
  await config('--alter', '--add-config', 'max.message.bytes=70000')
  expect((await config('--describe')).stdout).toMatch(/max\.message\.bytes=70000/)
}, 60_000)

for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
  test(`ProducerPerformance and ConsumerPerformance move 20,000 records, ${codec}`, async () => {
    const topic = `perf-${codec}`
    await topicTool('--create', '--topic', topic, '--partitions', '2')
    const settings = [
      '--command-property',
      `bootstrap.servers=${broker.bootstrap}`,
      'acks=all',
      `compression.type=${codec}`,
    ]
    const produced = await kafkaTool('org.apache.kafka.tools.ProducerPerformance', [
      '--topic',
      topic,
      '--num-records',
      '20000',
      '--record-size',
      '200',
      '--throughput',
      '-1',
      ...settings,
    ])
    expect(produced.stdout).toMatch(/20000 records sent/)
    const consumed = await kafkaTool('org.apache.kafka.tools.ConsumerPerformance', [
      '--bootstrap-server',
      broker.bootstrap,
      '--topic',
      topic,
      '--num-records',
      '20000',
      '--timeout',
      '20000',
    ])
    const cells = lines(consumed.stdout)
      .at(-1)
      ?.split(',')
      .map(cell => cell.trim())
    expect(Number(cells?.[4])).toBe(20_000)
  }, 90_000)
}

test('console producer and consumer carry keys and headers, by partition and in a group', async () => {
  await topicTool('--create', '--topic', 'console', '--partitions', '2')
  const input = `${Array.from({ length: 20 }, (_, index) => `h:${index}\tkey-${index}\tvalue-${index}`).join('\n')}\n`
  await kafkaTool(
    'org.apache.kafka.tools.ConsoleProducer',
    [
      '--bootstrap-server',
      broker.bootstrap,
      '--topic',
      'console',
      '--reader-property',
      'parse.key=true',
      '--reader-property',
      'parse.headers=true',
    ],
    { input },
  )
  const consume = async (...args: string[]) => {
    const formatter = [
      '--formatter-property',
      'print.key=true',
      '--formatter-property',
      'print.headers=true',
      '--timeout-ms',
      '6000',
    ]
    const { stdout } = await kafkaTool(
      'org.apache.kafka.tools.consumer.ConsoleConsumer',
      ['--bootstrap-server', broker.bootstrap, '--topic', 'console', ...formatter, ...args],
      { allowFailure: true },
    )
    return lines(stdout).filter(line => line.startsWith('h:'))
  }
  const expected = lines(input).sort()
  const grouped = await consume('--group', 'console-group', '--from-beginning')
  expect(grouped.sort()).toEqual(expected)
  const apart = [
    await consume('--partition', '0', '--offset', 'earliest'),
    await consume('--partition', '1', '--offset', 'earliest'),
  ]
  expect(apart.flat().sort()).toEqual(expected)
  const groups = (...args: string[]) =>
    kafkaTool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
      '--bootstrap-server',
      broker.bootstrap,
      ...args,
    ])
  expect(lines((await groups('--list')).stdout)).toContain('console-group')
  const described = (await groups('--describe', '--group', 'console-group')).stdout
  const rows = lines(described).filter(line => line.startsWith('console-group'))
  expect(rows).toHaveLength(2)
  // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG
  expect(rows.map(row => row.split(/\s+/)[5])).toEqual(['0', '0'])
  expect((await groups('--describe', '--group', 'console-group', '--state')).stdout).toMatch(/Empty/)
  await groups('--reset-offsets', '--group', 'console-group', '--topic', 'console', '--to-earliest', '--execute')
  expect(
    lines((await groups('--describe', '--group', 'console-group')).stdout)
      .filter(line => line.startsWith('console-group'))
      .map(row => row.split(/\s+/)[3]),
  ).toEqual(['0', '0'])
  await groups('--delete', '--group', 'console-group')
  expect(lines((await groups('--list')).stdout)).not.toContain('console-group')
}, 180_000)

test('a Java consumer group of two rebalances and reads everything', async () => {
  await topicTool('--create', '--topic', 'verifiable', '--partitions', '4')
  const classPath = await kafkaClassPath()
  const members = ['one', 'two'].map(() => {
    const args = [
      '-cp',
      classPath,
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
      '-XX:TieredStopAtLevel=1',
      'org.apache.kafka.tools.VerifiableConsumer',
    ]
    const child = spawn('java', [
      ...args,
      '--bootstrap-server',
      broker.bootstrap,
      '--topic',
      'verifiable',
      '--group-id',
      'java-group',
      '--reset-policy',
      'earliest',
      '--session-timeout',
      '10000',
    ])
    const told: { name: string; count?: number; partitions?: unknown[] }[] = []
    let rest = ''
    child.stdout.setEncoding('utf8').on('data', chunk => {
      rest += chunk
      const whole = rest.split('\n')
      rest = whole.pop() ?? ''
      for (const line of whole) if (line.startsWith('{')) told.push(JSON.parse(line))
    })
    return {
      child,
      told,
      holds: () => told.findLast(event => event.name === 'partitions_assigned')?.partitions?.length ?? 0,
    }
  })
  try {
    const until = async (what: string, holds: () => boolean) => {
      const deadline = Date.now() + 60_000
      while (!holds()) {
        if (Date.now() > deadline)
          throw new Error(`never came true: ${what}: ${JSON.stringify(members.map(member => member.told.slice(-3)))}`)
        await new Promise(done => setTimeout(done, 50))
      }
    }
    await until('both members hold two partitions', () => members.every(member => member.holds() === 2))
    await kafkaTool('org.apache.kafka.tools.VerifiableProducer', [
      '--bootstrap-server',
      broker.bootstrap,
      '--topic',
      'verifiable',
      '--max-messages',
      '2000',
      '--acks',
      '-1',
    ])
    const read = () =>
      members.reduce(
        (sum, member) =>
          sum +
          member.told.reduce((each, event) => each + (event.name === 'records_consumed' ? (event.count ?? 0) : 0), 0),
        0,
      )
    await until('2000 records read', () => read() >= 2000)
    expect(read()).toBe(2000)
  } finally {
    for (const { child } of members) {
      const ended = new Promise(done => child.once('exit', done))
      child.kill()
      await ended
    }
  }
}, 120_000)

test('GetOffsetShell prints log ends and earliest offsets', async () => {
  const shell = (time: string) =>
    kafkaTool('org.apache.kafka.tools.GetOffsetShell', [
      '--bootstrap-server',
      broker.bootstrap,
      '--topic',
      'perf-none',
      '--time',
      time,
    ])
  const ends = lines((await shell('-1')).stdout).map(line => Number(line.split(':')[2]))
  expect(ends.reduce((sum, end) => sum + end, 0)).toBe(20_000)
  expect(lines((await shell('-2')).stdout)).toEqual(['perf-none:0:0', 'perf-none:1:0'])
  expect(lines((await shell('-3')).stdout)).toHaveLength(2)
}, 60_000)

test('delete-records moves the log start', async () => {
  const file = properties(
    'delete.json',
    JSON.stringify({ version: 1, partitions: [{ topic: 'perf-none', partition: 0, offset: 100 }] }),
  )
  const { stdout } = await kafkaTool('org.apache.kafka.tools.DeleteRecordsCommand', [
    '--bootstrap-server',
    broker.bootstrap,
    '--offset-json-file',
    file,
  ])
  expect(stdout).toMatch(/partition: perf-none-0\s+low_watermark: 100/)
}, 30_000)

test.skipIf(process.env.MILLRACE_TEST_BOOTSTRAP !== undefined)(
  'DumpLogSegments reads every file without a complaint',
  async () => {
    await broker.stop()
    let checked = 0
    for (const directory of readdirSync(broker.dataDirectory).filter(name =>
      /^(perf-|console-|verifiable-|__consumer_offsets-|__cluster_metadata-)/.test(name),
    )) {
      const path = join(broker.dataDirectory, directory)
      const names = readdirSync(path)
      const files = names
        .filter(name => /\.(log|index|timeindex|snapshot|checkpoint)$/.test(name))
        .map(name => join(path, name))
      const decoder = directory.startsWith('__cluster_metadata')
        ? ['--cluster-metadata-decoder']
        : directory.startsWith('__consumer_offsets')
          ? ['--offsets-decoder']
          : ['--print-data-log']
      if (directory.startsWith('__consumer_offsets') && names.every(name => !name.endsWith('.log'))) continue
      const { stdout, stderr } = await kafkaTool('org.apache.kafka.tools.DumpLogSegments', [
        '--deep-iteration',
        ...decoder,
        '--files',
        files.join(','),
      ])
      expect(complaintsOf(`${stdout}${stderr}`)).toEqual([])
      checked += files.length
      if (directory.startsWith('perf-none')) {
        const sanity = await kafkaTool('org.apache.kafka.tools.DumpLogSegments', [
          '--index-sanity-check',
          '--files',
          files.filter(file => file.endsWith('index')).join(','),
        ])
        expect(sanity.stdout).toMatch(/passed sanity check/)
        expect(`${sanity.stdout}${sanity.stderr}`).not.toMatch(/exception|corrupt/i)
      }
    }
    expect(checked).toBeGreaterThan(20)
    await broker.restart()
  },
  180_000,
)
