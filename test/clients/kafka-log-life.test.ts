// How a log ages under Apache Kafka 4.3.1's own tools: ConfigCommand sets what ages it, DeleteRecordsCommand cuts it, GetOffsetShell sees
// where it begins, DumpLogSegments reads what is left.
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts'
import { kafkaTool } from './toolbox/kafka-jars.mjs'

const PATIENCE = { timeout: 30_000, interval: 200 }

let broker: BrokerProcess
let scratch: string
beforeAll(async () => {
  broker = await startBrokerProcess({
    'log.segment.bytes': 1_048_576,
    'log.retention.check.interval.ms': 100,
    'log.initial.task.delay.ms': 0,
    'log.segment.delete.delay.ms': 0,
    'num.partitions': 1,
  })
  scratch = mkdtempSync(join(tmpdir(), 'millrace-log-life-'))
})
afterAll(async () => {
  await broker.remove()
  rmSync(scratch, { recursive: true, force: true })
})

const tool = async (name: string, ...args: string[]) =>
  (await kafkaTool(name, ['--bootstrap-server', broker.bootstrap, ...args])).stdout
const create = (topic: string) => tool('org.apache.kafka.tools.TopicCommand', '--create', '--topic', topic)
const configure = (topic: string, setting: string) =>
  tool(
    'kafka.admin.ConfigCommand',
    '--entity-type',
    'topics',
    '--entity-name',
    topic,
    '--alter',
    '--add-config',
    setting,
  )
const produce = (topic: string, records: number) =>
  kafkaTool('org.apache.kafka.tools.ProducerPerformance', [
    '--topic',
    topic,
    '--num-records',
    String(records),
    '--record-size',
    '1000',
    '--throughput',
    '-1',
    '--command-property',
    `bootstrap.servers=${broker.bootstrap}`,
    'acks=all',
    'batch.size=100000',
  ])
const offset = async (topic: string, time: string) =>
  Number((await tool('org.apache.kafka.tools.GetOffsetShell', '--topic', topic, '--time', time)).trim().split(':')[2])
const segments = (topic: string) =>
  readdirSync(join(broker.dataDirectory, `${topic}-0`))
    .filter(name => name.endsWith('.log'))
    .sort()

const sizes = (topic: string) =>
  segments(topic).map(name => statSync(join(broker.dataDirectory, `${topic}-0`, name)).size)
const bytesOf = (topic: string) => sizes(topic).reduce((sum, size) => sum + size, 0)
/** What would be left if one more segment went. */
const bytesBehindFirst = (topic: string) => bytesOf(topic) - (sizes(topic)[0] ?? 0)

test('retention.bytes and retention.ms, set by ConfigCommand, age a topic', async () => {
  await create('aging')
  await produce('aging', 6000)
  expect(segments('aging').length).toBeGreaterThan(4)
  expect(await offset('aging', 'earliest')).toBe(0)
  await configure('aging', 'retention.bytes=2500000')
  await expect.poll(() => bytesBehindFirst('aging'), PATIENCE).toBeLessThan(2_500_000)
  expect(bytesOf('aging')).toBeGreaterThanOrEqual(2_500_000)
  const start = await offset('aging', 'earliest')
  expect(start).toBeGreaterThan(2000)
  expect(segments('aging')[0]).toBe(`${String(start).padStart(20, '0')}.log`)
  await configure('aging', 'retention.ms=1')
  await expect.poll(() => segments('aging'), PATIENCE).toEqual([`${'6000'.padStart(20, '0')}.log`])
  expect(await offset('aging', 'earliest')).toBe(6000)
  expect(await offset('aging', 'latest')).toBe(6000)
}, 120_000)

test('DeleteRecordsCommand cuts a topic, and DumpLogSegments reads what is left', async () => {
  await create('cutting')
  await produce('cutting', 3000)
  const list = join(scratch, 'offsets.json')
  writeFileSync(list, JSON.stringify({ partitions: [{ topic: 'cutting', partition: 0, offset: 2000 }], version: 1 }))
  const output = await tool('org.apache.kafka.tools.DeleteRecordsCommand', '--offset-json-file', list)
  expect(output).toMatch(/cutting-0\s+low_watermark: 2000/)
  expect(await offset('cutting', 'earliest')).toBe(2000)
  const kept = segments('cutting')
  expect(kept.length).toBeLessThanOrEqual(2)
  for (const name of kept) {
    const { stdout } = await kafkaTool('kafka.tools.DumpLogSegments', [
      '--files',
      join(broker.dataDirectory, 'cutting-0', name),
    ]).catch(() =>
      kafkaTool('org.apache.kafka.tools.DumpLogSegments', ['--files', join(broker.dataDirectory, 'cutting-0', name)]),
    )
    expect(stdout).toMatch(/isvalid: true/)
    expect(stdout).not.toMatch(/isvalid: false|corrupt/i)
  }
}, 120_000)
