// kcat 1.7 on librdkafka 2.0: metadata, produce, consume, groups, every codec.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts'
import { kcat } from './toolbox/kcat.mjs'

let broker: BrokerProcess
beforeAll(async () => {
  broker = await startBrokerProcess()
})
afterAll(() => broker.remove())

const on = (...args: string[]) => ['-b', broker.bootstrap, '-q', ...args]

test('lists this broker and its topics', async () => {
  await kcat(on('-P', '-t', 'listed'), { input: 'x\n' })
  const { stdout } = await kcat(['-b', broker.bootstrap, '-L', '-J'])
  const metadata = JSON.parse(stdout)
  expect(metadata.brokers).toHaveLength(1)
  expect(metadata.brokers[0].name).toBe(broker.bootstrap)
  const topic = metadata.topics.find((each: { topic: string }) => each.topic === 'listed')
  expect(topic.partitions.length).toBeGreaterThan(0)
  expect(topic.partitions.every((partition: { leader: number }) => partition.leader === metadata.brokers[0].id)).toBe(
    true,
  )
})

for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
  test(`reads back keys, values, headers and order, ${codec}, idempotence on`, async () => {
    const topic = `kcat-${codec}`
    const lines = Array.from({ length: 500 }, (_, index) => `k${index % 7}:value ${index} ${'payload-'.repeat(10)}`)
    const produce = on(
      '-P',
      '-t',
      topic,
      '-K:',
      '-H',
      `codec=${codec}`,
      '-z',
      codec,
      '-p',
      '0',
      '-X',
      'enable.idempotence=true',
    )
    await kcat(produce, { input: `${lines.join('\n')}\n` })
    const { stdout } = await kcat(on('-C', '-t', topic, '-p', '0', '-o', 'beginning', '-e', '-f', '%o|%h|%k:%s\n'))
    expect(stdout.trimEnd().split('\n')).toEqual(lines.map((line, index) => `${index}|codec=${codec}|${line}`))
  })
}

test('a group member resumes where the group committed', async () => {
  const values = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `${from + index}`)
  const consume = async () => {
    const settings = ['-X', 'auto.offset.reset=earliest', '-X', 'enable.partition.eof=true']
    const { stdout } = await kcat(['-b', broker.bootstrap, '-q', '-G', 'kcat-group', ...settings, '-e', 'kcat-grouped'])
    return stdout
      .trim()
      .split('\n')
      .filter(line => line !== '')
      .sort((a, b) => Number(a) - Number(b))
  }
  await kcat(on('-P', '-t', 'kcat-grouped'), { input: `${values(0, 100).join('\n')}\n` })
  expect(await consume()).toEqual(values(0, 100))
  await kcat(on('-P', '-t', 'kcat-grouped'), { input: `${values(100, 150).join('\n')}\n` })
  expect(await consume()).toEqual(values(100, 150))
})

test('finds offsets by timestamp', async () => {
  await kcat(on('-P', '-t', 'kcat-times', '-p', '0'), { input: 'before\n' })
  const between = Date.now() + 1
  await new Promise(done => setTimeout(done, 20))
  await kcat(on('-P', '-t', 'kcat-times', '-p', '0'), { input: 'after\n' })
  const { stdout } = await kcat(on('-C', '-t', 'kcat-times', '-p', '0', '-o', `s@${between}`, '-e'))
  expect(stdout.trim()).toBe('after')
})

test('an unknown partition is an error, not a hang', async () => {
  await kcat(on('-P', '-t', 'kcat-small'), { input: 'x\n' })
  const args = ['-b', broker.bootstrap, '-P', '-t', 'kcat-small', '-p', '999', '-X', 'message.timeout.ms=4000']
  const result = await kcat(args, { input: 'y\n', allowFailure: true })
  expect(result.code).toBe(1)
  expect(result.stderr).toMatch(/Unknown partition/)
})
