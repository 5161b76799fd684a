// Consumers that share topics as a classic group, on a real broker.
import { afterEach, expect, test } from 'vitest'
import { Admin, Consumer, type ConsumerOptions, Producer } from '#client'
import { brokerUnderTest, freshName } from './broker-under-test.ts'

const broker = brokerUnderTest()
const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map(close => close()))
})

async function topicWith(partitions: number, recordCount: number): Promise<string> {
  const topic = freshName('shared')
  await using admin = new Admin({ bootstrapServers: broker.bootstrap })
  await admin.createTopics([{ name: topic, partitions }])
  await using producer = new Producer({ bootstrapServers: broker.bootstrap })
  await producer.send(
    Array.from({ length: recordCount }, (_, index) => ({ topic, partition: index % partitions, value: String(index) })),
  )
  return topic
}

function member(groupId: string, topics: readonly string[], options: Partial<ConsumerOptions> = {}): Consumer {
  const consumer = new Consumer({
    bootstrapServers: broker.bootstrap,
    groupId,
    autoOffsetReset: 'earliest',
    heartbeatIntervalMs: 100,
    ...options,
  })
  closers.push(() => consumer.close())
  consumer.subscribe(topics)
  return consumer
}

/** Reads until told to stop; what it has read is in `seen`. */
function reader(consumer: Consumer): { readonly seen: number[]; stop(): Promise<void> } {
  const abort = new AbortController()
  const seen: number[] = []
  const done = (async () => {
    try {
      for await (const { value } of consumer.records({ signal: abort.signal })) seen.push(Number(value))
    } catch (error) {
      if (!abort.signal.aborted) throw error
    }
  })()
  return {
    seen,
    async stop() {
      abort.abort()
      await done
    },
  }
}

const partitionsOf = (consumer: Consumer): number[] => consumer.assignment().map(({ partition }) => partition)
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)
const sorted = (list: readonly number[]): number[] => [...list].sort((a, b) => a - b)

test('a member goes on where the last one left off', async () => {
  const topic = await topicWith(1, 10)
  const groupId = freshName('g')
  const first = member(groupId, [topic])
  const seen: number[] = []
  for await (const { value } of first.records({ limit: 4 })) seen.push(Number(value))
  await first.close()
  const second = member(groupId, [topic])
  for await (const { value } of second.records({ until: 'end' })) seen.push(Number(value))
  expect(seen).toEqual(range(0, 10))
})

test('without auto-commit nothing is committed but what commit() says', async () => {
  const topic = await topicWith(1, 10)
  const groupId = freshName('g')
  const first = member(groupId, [topic], { autoCommit: false })
  for await (const _ of first.records({ limit: 6 }));
  expect(await first.committed([{ topic, partition: 0 }])).toMatchObject([{ offset: null }])
  await first.commit()
  expect(await first.committed([{ topic, partition: 0 }])).toMatchObject([{ offset: 6n }])
  await first.commit([{ topic, partition: 0, offset: 3n, metadata: 'by hand' }])
  await first.close()
  const second = member(groupId, [topic])
  expect(await second.committed([{ topic, partition: 0 }])).toMatchObject([{ offset: 3n, metadata: 'by hand' }])
  const next = await second.records().next()
  expect(String(next.value?.value)).toBe('3')
})

test('two members share the partitions, and the one that stays takes over when the other leaves', async () => {
  const topic = await topicWith(4, 200)
  const groupId = freshName('g')
  const [a, b] = [member(groupId, [topic]), member(groupId, [topic])]
  const [readA, readB] = [reader(a), reader(b)]
  await expect.poll(() => [partitionsOf(a).length, partitionsOf(b).length], { timeout: 15_000 }).toEqual([2, 2])
  expect(sorted([...partitionsOf(a), ...partitionsOf(b)])).toEqual([0, 1, 2, 3])
  await expect.poll(() => new Set([...readA.seen, ...readB.seen]).size, { timeout: 10_000 }).toBe(200)
  await readB.stop()
  await b.close()
  await expect.poll(() => partitionsOf(a).length, { timeout: 15_000 }).toBe(4)
  await using producer = new Producer({ bootstrapServers: broker.bootstrap })
  await producer.send(range(200, 240).map(value => ({ topic, partition: value % 4, value: String(value) })))
  await expect.poll(() => sorted([...new Set(readA.seen.filter(value => value >= 200))])).toEqual(range(200, 240))
  await readA.stop()
})

test('no record is read twice when members come and go in peace', async () => {
  const topic = await topicWith(3, 600)
  const groupId = freshName('g')
  const a = member(groupId, [topic])
  const readA = reader(a)
  await expect.poll(() => readA.seen.length, { timeout: 10_000 }).toBeGreaterThan(0)
  const b = member(groupId, [topic])
  const readB = reader(b)
  await expect.poll(() => partitionsOf(b).length, { timeout: 15_000 }).toBeGreaterThan(0)
  await using producer = new Producer({ bootstrapServers: broker.bootstrap })
  await producer.send(range(600, 900).map(value => ({ topic, partition: value % 3, value: String(value) })))
  await expect.poll(() => readA.seen.length + readB.seen.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(900)
  expect(sorted([...readA.seen, ...readB.seen])).toEqual(range(0, 900))
  await Promise.all([readA.stop(), readB.stop()])
})

test('a slow handler keeps its membership: heartbeats do not wait for it', async () => {
  const topic = await topicWith(1, 4)
  const groupId = freshName('g')
  const consumer = member(groupId, [topic], { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 500 })
  const seen: number[] = []
  let slept = false
  for await (const { value } of consumer.records({ until: 'end' })) {
    seen.push(Number(value))
    if (!slept) await new Promise(resolve => setTimeout(resolve, 7_500))
    slept = true
  }
  expect(seen).toEqual([0, 1, 2, 3])
  await consumer.commit()
})

test('a static member takes its partitions back without a rebalance', async () => {
  const topic = await topicWith(2, 10)
  const groupId = freshName('g')
  const first = member(groupId, [topic], { groupInstanceId: 'one' })
  for await (const _ of first.records({ until: 'end' }));
  await first.close()
  const again = member(groupId, [topic], { groupInstanceId: 'one' })
  for await (const _ of again.records({ until: 'end' }));
  expect(sorted(partitionsOf(again))).toEqual([0, 1])
  await using admin = new Admin({ bootstrapServers: broker.bootstrap })
  const [group] = await admin.describeGroups([groupId])
  expect(group).toMatchObject({ error: null, state: 'Stable', protocolType: 'consumer', protocol: 'range' })
  expect(group?.members).toMatchObject([
    { groupInstanceId: 'one', topics: [topic], assignment: [{ topic, partitions: [0, 1] }] },
  ])
})

test('groups are listed, described and deleted', async () => {
  const topic = await topicWith(1, 3)
  const groupId = freshName('g')
  const consumer = member(groupId, [topic])
  for await (const _ of consumer.records({ until: 'end' }));
  await using admin = new Admin({ bootstrapServers: broker.bootstrap })
  expect((await admin.listGroups()).find(group => group.groupId === groupId)).toMatchObject({
    protocolType: 'consumer',
    state: 'Stable',
  })
  expect(await admin.deleteGroups([groupId])).toMatchObject([{ error: { code: 'NON_EMPTY_GROUP' } }])
  await consumer.close()
  expect(await admin.describeGroups([groupId])).toMatchObject([{ error: null, state: 'Empty', members: [] }])
  expect(await admin.deleteGroups([groupId])).toEqual([{ groupId, error: null }])
  expect(await admin.deleteGroups([groupId])).toMatchObject([{ error: { code: 'GROUP_ID_NOT_FOUND' } }])
})

test('subscribing to a topic that does not exist is an error', async () => {
  const consumer = member(freshName('g'), [freshName('nowhere')])
  await expect(consumer.records().next()).rejects.toMatchObject({ name: 'UnknownTopicError' })
})
