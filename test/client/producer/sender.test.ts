// The producer against answers a healthy broker does not give: leaders that move, acknowledgements that get lost, state that is gone.
import { afterEach, expect, test } from 'vitest'
import { KafkaError, Producer, type ProducerOptions, SendError, type SendResult } from '#client'
import {
  decodeBatches,
  ErrorCode,
  initProducerId,
  metadata,
  produce,
  type ProduceResponseInput,
  type RequestOf,
} from '#protocol'
import { ScriptedBroker, TOPIC_ID } from '../scripted-broker.ts'
import { testCodec } from '../test-codec.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Arrived {
  readonly values: readonly string[]
  readonly epoch: number
  readonly sequence: number
}

function batchOf(request: RequestOf<typeof produce>): Arrived {
  const records = request.topicData[0]?.partitionData[0]?.records as Buffer
  const [batch] = [...decodeBatches(records, testCodec)]
  if (!batch) throw new Error('a produce request holds a batch')
  const values = [...batch.records()].map(({ value }) => String(value))
  return { values, epoch: batch.header.producerEpoch, sequence: batch.header.baseSequence }
}

type PartitionOutcome = Omit<
  NonNullable<NonNullable<NonNullable<ProduceResponseInput['responses']>[number]['partitionResponses']>[number]>,
  'index'
>

function outcome(fields: PartitionOutcome): ProduceResponseInput {
  return { responses: [{ name: 't', topicId: TOPIC_ID, partitionResponses: [{ index: 0, ...fields }] }] }
}

/** A broker that keeps a log of one partition and answers through `answer`, which may veto. */
async function start(
  answer: (batch: Arrived, before: number) => ReturnType<Parameters<ScriptedBroker['on']>[1]> | undefined,
): Promise<{ scripted: ScriptedBroker; arrived: Arrived[]; log: string[] }> {
  const scripted = await ScriptedBroker.start()
  closers.push(() => scripted.stop())
  const arrived: Arrived[] = []
  const log: string[] = []
  scripted.on(produce, (request, { before }) => {
    const batch = batchOf(request)
    arrived.push(batch)
    const vetoed = answer(batch, before)
    if (vetoed !== undefined) return vetoed as never
    const baseOffset = BigInt(log.length)
    log.push(...batch.values)
    return outcome({ errorCode: 0, baseOffset })
  })
  return { scripted, arrived, log }
}

function producerFor(scripted: ScriptedBroker, options: Partial<ProducerOptions> = {}): Producer {
  const producer = new Producer({
    bootstrapServers: scripted.bootstrap,
    lingerMs: 0,
    retryBackoffMs: 5,
    retryBackoffMaxMs: 20,
    codec: testCodec,
    ...options,
  })
  closers.push(() => producer.close({ timeoutMs: 0 }))
  return producer
}

const record = (value: string) => ({ topic: 't', partition: 0, value })
/** Sends each value as a batch of its own, after one that sees to metadata and the producer id. */
async function sendEach(producer: Producer, values: readonly string[]): Promise<(readonly SendResult[])[]> {
  await producer.send(record('first'))
  const sent: Promise<readonly SendResult[]>[] = []
  for (const value of values) {
    sent.push(producer.sendSettled([record(value)]))
    await new Promise(resolve => setTimeout(resolve, 3))
  }
  return Promise.all(sent)
}

test('a batch refused by a broker that is no longer the leader is sent again with the same sequences', async () => {
  const { scripted, arrived, log } = await start((_, before) =>
    before < 2 ? outcome({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, baseOffset: -1n }) : undefined,
  )
  const producer = producerFor(scripted)
  const [sent] = await producer.send(record('a'))
  expect(sent).toMatchObject({ topic: 't', partition: 0, offset: 0n })
  expect(arrived).toEqual([1, 2, 3].map(() => ({ values: ['a'], epoch: 0, sequence: 0 })))
  expect(log).toEqual(['a'])
  expect(scripted.asked(metadata)).toBeGreaterThan(1)
})

test('when the first of several batches in flight fails, all arrive once and in order', async () => {
  let next = 0
  const { scripted, log } = await start((batch, before) => {
    if (before === 1) return outcome({ errorCode: ErrorCode.NOT_ENOUGH_REPLICAS, baseOffset: -1n })
    if (batch.sequence !== next) return outcome({ errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, baseOffset: -1n })
    next += batch.values.length
    return undefined
  })
  const values = Array.from({ length: 12 }, (_, index) => `v${index}`)
  await sendEach(producerFor(scripted), values)
  expect(log).toEqual(['first', ...values])
})

test('a lost acknowledgement is asked for again, and a duplicate counts as sent', async () => {
  const seen = new Set<number>()
  const { scripted, log } = await start((batch, before) => {
    if (seen.has(batch.sequence)) return outcome({ errorCode: ErrorCode.DUPLICATE_SEQUENCE_NUMBER, baseOffset: -1n })
    seen.add(batch.sequence)
    if (before !== 2) return undefined
    log.push(...batch.values)
    return 'hang-up'
  })
  const results = await sendEach(producerFor(scripted), ['a', 'b', 'c'])
  expect(log).toEqual(['first', 'a', 'b', 'c'])
  expect(results[1]).toMatchObject([{ offset: -1n }])
})

test('a broker that lost our state gets the batches again under a new epoch, from sequence 0', async () => {
  const { scripted, arrived, log } = await start(batch =>
    batch.epoch === 0 && batch.sequence === 1
      ? outcome({ errorCode: ErrorCode.UNKNOWN_PRODUCER_ID, baseOffset: -1n })
      : undefined,
  )
  await sendEach(producerFor(scripted), ['a', 'b', 'c'])
  expect(log).toEqual(['first', 'a', 'b', 'c'])
  expect(arrived.filter(({ epoch }) => epoch === 1)[0]).toMatchObject({ sequence: 0 })
  expect(scripted.asked(initProducerId)).toBe(1)
})

test('a refused record leaves no gap for those behind it', async () => {
  // As strict as a broker: sequences of an epoch follow each other from 0.
  const next = new Map<number, number>()
  const { scripted, log } = await start(batch => {
    if (batch.values.includes('bad')) return outcome({ errorCode: ErrorCode.INVALID_RECORD, baseOffset: -1n })
    const expected = next.get(batch.epoch) ?? 0
    if (batch.sequence !== expected)
      return outcome({ errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, baseOffset: -1n })
    next.set(batch.epoch, expected + batch.values.length)
    return undefined
  })
  const results = await sendEach(producerFor(scripted), ['a', 'bad', 'b', 'c'])
  expect(results.map(([result]) => (result instanceof KafkaError ? result.code : 'sent'))).toEqual([
    'sent',
    'INVALID_RECORD',
    'sent',
    'sent',
  ])
  expect(log).toEqual(['first', 'a', 'b', 'c'])
})

test('each record of a refused batch gets its own error', async () => {
  const { scripted } = await start(() =>
    outcome({
      errorCode: ErrorCode.INVALID_RECORD,
      baseOffset: -1n,
      recordErrors: [{ batchIndex: 1, batchIndexErrorMessage: 'no key' }],
      errorMessage: 'one record was refused',
    }),
  )
  const failure = await producerFor(scripted)
    .send(['a', 'b', 'c'].map(record))
    .catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(SendError)
  const { results, code } = failure as SendError
  expect(code).toBe('INVALID_RECORD')
  expect(results.map(result => (result as Error).message)).toEqual([
    't-0: one record was refused',
    't-0: no key',
    't-0: one record was refused',
  ])
})

test('a batch too large for the topic is split until it fits', async () => {
  const { scripted, arrived, log } = await start(batch =>
    batch.values.length > 2 ? outcome({ errorCode: ErrorCode.MESSAGE_TOO_LARGE, baseOffset: -1n }) : undefined,
  )
  const values = Array.from({ length: 9 }, (_, index) => `v${index}`)
  await producerFor(scripted).send(values.map(record))
  expect(log).toEqual(values)
  expect(arrived.every(({ epoch }) => epoch === 0)).toBe(true)
})

test('delivery ends at its timeout with the last error, and what follows is sent under a new epoch', async () => {
  let healthy = false
  const { scripted, arrived } = await start(() =>
    healthy ? undefined : outcome({ errorCode: ErrorCode.NOT_ENOUGH_REPLICAS, baseOffset: -1n }),
  )
  const producer = producerFor(scripted, { deliveryTimeoutMs: 150 })
  await expect(producer.send(record('a'))).rejects.toMatchObject({
    code: expect.stringMatching(/REQUEST_TIMED_OUT|NOT_ENOUGH_REPLICAS/),
  })
  healthy = true
  await producer.send(record('b'))
  expect(arrived.at(-1)).toEqual({ values: ['b'], epoch: 1, sequence: 0 })
})

test('acks=0 is sent once, without sequences, and settles without an answer', async () => {
  const { scripted, arrived } = await start(() => 'none')
  const producer = producerFor(scripted, { acks: 0 })
  const [sent] = await producer.send(record('a'))
  expect(sent.offset).toBe(-1n)
  await producer.send(record('b'))
  await expect.poll(() => arrived.length).toBe(2)
  expect(arrived[0]).toMatchObject({ epoch: -1, sequence: -1 })
})

test('send() waits for room in the buffer, first come first served', async () => {
  let release: () => void = () => {}
  const held = new Promise<void>(resolve => (release = resolve))
  const scripted = await ScriptedBroker.start()
  closers.push(() => scripted.stop())
  const log: string[] = []
  scripted.on(produce, async request => {
    await held
    log.push(...batchOf(request).values)
    return outcome({ errorCode: 0, baseOffset: BigInt(log.length) })
  })
  const producer = producerFor(scripted, { bufferBytes: 1_000, batchBytes: 500 })
  const values = Array.from({ length: 60 }, (_, index) => `v${index}`)
  const sent = producer.send(values.map(record))
  await new Promise(resolve => setTimeout(resolve, 50))
  expect(producer.bufferedBytes).toBeLessThanOrEqual(1_000)
  release()
  await sent
  expect(log).toEqual(values)
  expect(producer.bufferedBytes).toBe(0)
})

test('a full buffer fails what waits after maxBlockMs and keeps what is in it', async () => {
  const { scripted } = await start(() => 'silence')
  const producer = producerFor(scripted, { bufferBytes: 1_000, maxBlockMs: 60 })
  void producer.sendSettled(Array.from({ length: 60 }, (_, index) => record(`v${index}`)))
  const results = await producer.sendSettled([record('late')])
  expect(results[0]).toMatchObject({ code: 'REQUEST_TIMED_OUT' })
  expect(producer.bufferedBytes).toBeGreaterThan(0)
})

test('close() ends within its time even when the broker is silent, and names what was not sent', async () => {
  const { scripted } = await start(() => 'silence')
  const producer = producerFor(scripted)
  const results = producer.sendSettled([record('a')])
  await new Promise(resolve => setTimeout(resolve, 30))
  const startedMs = performance.now()
  await producer.close({ timeoutMs: 100 })
  expect(performance.now() - startedMs).toBeLessThan(1_000)
  expect((await results)[0]).toMatchObject({ name: 'ClientClosedError' })
  expect((await producer.sendSettled([record('b')]))[0]).toMatchObject({ name: 'ClientClosedError' })
})

test("an unknown topic fails after maxBlockMs with the broker's own word for it", async () => {
  const scripted = await ScriptedBroker.start()
  closers.push(() => scripted.stop())
  scripted.on(metadata, () => ({
    ...scripted.metadataOf('t', 1),
    topics: [{ name: 'u', errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }],
  }))
  const producer = producerFor(scripted, { maxBlockMs: 80 })
  await expect(producer.send({ topic: 'u', value: 'x' })).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
})

test.each([
  [{ acks: 2 as never }, /acks/],
  [{ acks: 1 as const, idempotence: true }, /idempotence/],
  [{ inFlightMax: 6, idempotence: true }, /inFlightMax/],
  [{ compression: 'brotli' as never }, /compression/],
  [{ lingerMS: 5 } as never, /did you mean 'lingerMs'/],
])('options %j are refused', (options, why) => {
  expect(() => new Producer({ bootstrapServers: 'a:1', ...options })).toThrow(why)
})
