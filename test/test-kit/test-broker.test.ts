// The broker of the test kit: many side by side, nothing left behind, nothing kept alive.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { expect, test } from 'vitest'
import { startBroker } from '#test-kit'

const root = join(import.meta.dirname, '..', '..')

test('topics asked for are there, and any client finds them', async () => {
  const kafka = await startBroker({
    topics: { orders: { partitions: 3, configs: { 'retention.ms': '1000' } }, plain: {} },
  })
  expect(kafka.bootstrap).toBe(`127.0.0.1:${kafka.port}`)
  expect(kafka.getBootstrapServers()).toBe(kafka.bootstrap)
  expect(kafka.env().KAFKA_BROKERS).toBe(kafka.bootstrap)
  const admin = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  const { topics } = await admin.fetchTopicMetadata({ topics: ['orders', 'plain'] })
  expect(Object.fromEntries(topics.map(({ name, partitions }) => [name, partitions.length]))).toEqual({
    orders: 3,
    plain: 1,
  })
  await admin.disconnect()
  await kafka.stop()
})

test('brokers in one process know nothing of each other', async () => {
  const brokers = await Promise.all([1, 2, 3].map(index => startBroker({ topics: { [`only-${index}`]: {} } })))
  expect(new Set(brokers.map(({ port }) => port)).size).toBe(3)
  expect(new Set(brokers.map(({ broker }) => broker.clusterId)).size).toBe(3)
  for (const [index, kafka] of brokers.entries()) {
    const topics = [...kafka.broker.services.image().topics.all()].map(({ name }) => name)
    expect(topics).toEqual([`only-${index + 1}`])
  }
  await Promise.all(brokers.map(kafka => kafka.stop()))
})

test('the data goes when the broker stops', async () => {
  const kafka = await startBroker()
  const [directory] = kafka.broker.logDirs as [string]
  expect(existsSync(directory)).toBe(true)
  await kafka.stop()
  await kafka.stop()
  expect(existsSync(directory)).toBe(false)
})

test('disposing of it stops it', async () => {
  const kafka = await startBroker()
  await kafka[Symbol.asyncDispose]()
  expect(kafka.broker.metrics()).toBeDefined()
  await expect(kafka.createTopic('late')).rejects.toThrow()
})

test('a misspelled setting is an error that names the right one', async () => {
  await expect(startBroker({ settings: { 'num.partition': '3' } })).rejects.toThrow('num.partitions')
})

test('a topic that cannot be made fails the start', async () => {
  await expect(startBroker({ topics: { 'no/good': {} } })).rejects.toMatchObject({ code: 'INVALID_TOPIC_EXCEPTION' })
})

test('KafkaJS produces and consumes in a group', async () => {
  const kafka = await startBroker({ topics: { jobs: { partitions: 2 } } })
  const client = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING })
  const producer = client.producer()
  await producer.connect()
  await producer.send({
    topic: 'jobs',
    messages: [
      { key: 'a', value: '1' },
      { key: 'b', value: '2' },
    ],
  })
  const consumer = client.consumer({ groupId: 'workers' })
  await consumer.connect()
  await consumer.subscribe({ topics: ['jobs'], fromBeginning: true })
  const seen = new Set<string>()
  await new Promise<void>(resolve => {
    void consumer.run({
      eachMessage: async ({ message }) => {
        seen.add(String(message.value))
        if (seen.size === 2) resolve()
      },
    })
  })
  expect([...seen].sort()).toEqual(['1', '2'])
  await consumer.disconnect()
  await producer.disconnect()
  await kafka.stop()
})

/** Runs a program against the built package, as a user's test would import it. */
function runProgram(program: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: root,
    encoding: 'utf8',
    timeout: 20_000,
  })
}

test('a broker that is left running does not keep the process, and its data goes with it', () => {
  const { status, stdout, stderr } = runProgram(`
    import { startBroker } from 'millrace/test'
    const kafka = await startBroker({ topics: { orders: {} } })
    console.log(kafka.broker.logDirs[0])
  `)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout.trim()).not.toBe('')
  expect(existsSync(stdout.trim())).toBe(false)
})

test('a process that ends in the middle of everything ends cleanly', () => {
  const { status, stderr } = runProgram(`
    import { startBroker } from 'millrace/test'
    const brokers = await Promise.all([startBroker(), startBroker()])
    void brokers[0].createTopic('orders', { partitions: 50 })
    setImmediate(() => process.exit(0))
  `)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})
