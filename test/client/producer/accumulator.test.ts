// The producer's decisions without a socket: what may go out, in which order, and what a failure does to it.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KafkaError } from '#client'
import { Accumulator, type TopicView } from '../../../src/client/producer/accumulator.ts'
import { StickyPartitioner } from '../../../src/client/producer/partitioner.ts'
import type { ProducerBatch } from '../../../src/client/producer/producer-batch.ts'
import { checkRecord } from '../../../src/client/producer/record.ts'
import { Sequencer } from '../../../src/client/producer/sequencer.ts'
import { Ticket } from '../../../src/client/producer/ticket.ts'

const limits = {
  batchBytes: 300,
  lingerMs: 10,
  deliveryTimeoutMs: 1_000,
  inFlightPerPartition: 5,
  requestBytesMax: 1_000,
}
const view: TopicView = { partitionCount: 2, leaderOf: () => 1 }

class Bench {
  readonly accumulator = new Accumulator(limits, new StickyPartitioner(limits.batchBytes, () => 0))
  nowMs = 0

  add(value: string, partition = 0, known: TopicView | null = view): Ticket {
    const ticket = new Ticket(1)
    const record = checkRecord({ topic: 't', partition, value }, 0n)
    this.accumulator.append({ record, ticket, index: 0 }, known ?? undefined, this.nowMs)
    return ticket
  }

  drain(hurry = false): readonly ProducerBatch[] {
    return this.accumulator
      .drain(
        () => view,
        () => true,
        this.nowMs,
        hurry,
      )
      .flatMap(({ batches }) => batches)
  }
}

const valuesOf = (batch: ProducerBatch | undefined): readonly string[] =>
  (batch?.entries ?? []).map(({ record }) => String(record.value))

test('a batch lingers for company and goes out when its time has come', () => {
  const bench = new Bench()
  bench.add('a')
  expect(bench.drain()).toEqual([])
  expect(bench.accumulator.nextWakeMs(0)).toBe(10)
  bench.nowMs = 9
  bench.add('b')
  expect(bench.drain()).toEqual([])
  bench.nowMs = 10
  expect(bench.drain().map(valuesOf)).toEqual([['a', 'b']])
})

test('a full batch goes out at once, the one behind it too', () => {
  const bench = new Bench()
  for (let index = 0; index < 9; index++) bench.add(String(index))
  expect(bench.drain().map(valuesOf)).toEqual([['0', '1', '2', '3', '4', '5']])
  expect(bench.drain()).toEqual([])
  bench.nowMs = 10
  expect(bench.drain().map(valuesOf)).toEqual([['6', '7', '8']])
})

test('flush and a full buffer end lingering', () => {
  const bench = new Bench()
  bench.add('a')
  expect(bench.drain(true).map(valuesOf)).toEqual([['a']])
  bench.add('b')
  bench.accumulator.flushBegan()
  expect(bench.drain().map(valuesOf)).toEqual([['b']])
  bench.accumulator.flushEnded()
})

test('a retried batch goes out before those made later, and alone until it has settled', () => {
  const bench = new Bench()
  const { accumulator } = bench
  const sent: ProducerBatch[] = []
  for (const value of ['a', 'b', 'c', 'd']) {
    bench.add(value)
    sent.push(...bench.drain(true))
  }
  const [a, b, c, d] = sent as [ProducerBatch, ProducerBatch, ProducerBatch, ProducerBatch]
  accumulator.retryLater(a, 100)
  expect(accumulator.isOldest(b)).toBe(false)
  accumulator.retryLater(b, 100)
  bench.nowMs = 200
  // c and d are still on the wire: nothing may overtake or follow them yet.
  expect(bench.drain(true)).toEqual([])
  accumulator.retryLater(d, 100)
  accumulator.retryLater(c, 100)
  expect(bench.drain(true).map(valuesOf)).toEqual([['a']])
  expect(bench.drain(true)).toEqual([])
  accumulator.settled(a)
  expect(bench.drain(true).map(valuesOf)).toEqual([['b']])
  accumulator.settled(b)
  expect(bench.drain(true).map(valuesOf)).toEqual([['c']])
  accumulator.settled(c)
  expect(bench.drain(true).map(valuesOf)).toEqual([['d']])
  accumulator.settled(d)
  expect(accumulator.isEmpty).toBe(true)
})

test('the halves of a split batch take its place and share its sequences', () => {
  const bench = new Bench()
  const sequencer = new Sequencer()
  sequencer.fetchStarted()
  sequencer.fetched({ producerId: 1n, producerEpoch: 0 })
  for (const value of ['a', 'b', 'c']) bench.add(value)
  const [batch] = bench.drain(true) as [ProducerBatch]
  sequencer.sequence(batch)
  bench.add('d')
  bench.accumulator.split(batch)
  const order: string[] = []
  const sequences: (number | undefined)[] = []
  for (let turn = 0; turn < 3; turn++) {
    const [next] = bench.drain(true) as [ProducerBatch]
    sequencer.sequence(next)
    order.push(...valuesOf(next))
    sequences.push(next.sequenced?.baseSequence)
    bench.accumulator.settled(next)
  }
  expect(order).toEqual(['a', 'b', 'c', 'd'])
  expect(sequences).toEqual([0, 1, 3])
})

test('records wait for their topic, in order, and then find their partitions', () => {
  const bench = new Bench()
  bench.add('a', 0, null)
  bench.add('b', 7, null)
  bench.add('c', 0, view)
  expect(bench.accumulator.unplacedTopics).toEqual(['t'])
  const refused = bench.accumulator.topicKnown('t', view, 0)
  expect(refused.map(({ record }) => String(record.value))).toEqual(['b'])
  expect(bench.drain(true).map(valuesOf)).toEqual([['a', 'c']])
})

test('what waits too long expires, what is on the wire does not', () => {
  const bench = new Bench()
  bench.add('sent')
  bench.drain(true)
  bench.add('waiting')
  bench.nowMs = 1_000
  expect(bench.accumulator.takeExpired(1_000).map(valuesOf)).toEqual([['waiting']])
})

test('sequences wrap from 2^31-1 to 0 and start at 0 in a new epoch', () => {
  const bench = new Bench()
  const sequencer = new Sequencer()
  sequencer.fetchStarted()
  sequencer.fetched({ producerId: 1n, producerEpoch: 32_766 })
  bench.add('a')
  const [batch] = bench.drain(true) as [ProducerBatch]
  sequencer.sequence(batch)
  expect(batch.sequenced).toEqual({ producerId: 1n, producerEpoch: 32_766, baseSequence: 0 })
  sequencer.bumpWanted()
  expect(sequencer.state).toBe('draining')
  sequencer.drained()
  expect(sequencer.identity?.producerEpoch).toBe(32_767)
  sequencer.bumpWanted()
  sequencer.drained()
  // The epoch is used up: only a new id helps.
  expect(sequencer.state).toBe('none')
})

type Step =
  | { readonly kind: 'add'; readonly partition: number; readonly bytes: number }
  | { readonly kind: 'send' }
  | { readonly kind: 'answer'; readonly pick: number; readonly fails: boolean }
  | { readonly kind: 'wait'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    partition: fc.integer({ min: 0, max: 1 }),
    bytes: fc.integer({ min: 0, max: 200 }),
  }),
  fc.record({ kind: fc.constant('send' as const) }),
  fc.record({ kind: fc.constant('answer' as const), pick: fc.nat(10), fails: fc.boolean() }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 20 }) }),
)

test('whatever fails and in whichever order, records of a partition arrive once, in order, without a gap', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), steps => {
      const bench = new Bench()
      const { accumulator } = bench
      const log: string[][] = [[], []]
      const made: string[][] = [[], []]
      /** As a broker with idempotence: a batch is accepted only right behind the one before it. */
      const expectedOrder = [0, 0]
      const wire: ProducerBatch[] = []
      const send = (): void => void wire.push(...bench.drain(true))
      const answer = (pick: number, fails: boolean): void => {
        if (wire.length === 0) return
        // Answers of a partition come in the order of its requests.
        const chosen = wire[pick % wire.length] as ProducerBatch
        const batch = wire.find(other => other.partition === chosen.partition) as ProducerBatch
        wire.splice(wire.indexOf(batch), 1)
        if (fails || batch.order !== expectedOrder[batch.partition])
          return accumulator.retryLater(batch, bench.nowMs + 5)
        expectedOrder[batch.partition] = batch.order + 1
        log[batch.partition]?.push(...valuesOf(batch))
        accumulator.settled(batch)
      }
      for (const each of steps) {
        if (each.kind === 'add') {
          const value = `${made[each.partition]?.length}-${'x'.repeat(each.bytes)}`
          made[each.partition]?.push(value)
          bench.add(value, each.partition)
        } else if (each.kind === 'send') send()
        else if (each.kind === 'answer') answer(each.pick, each.fails)
        else bench.nowMs += each.ms
      }
      for (let turn = 0; turn < 500 && !accumulator.isEmpty; turn++) {
        bench.nowMs += 1
        send()
        answer(0, false)
      }
      expect(accumulator.isEmpty).toBe(true)
      expect(log).toEqual(made)
    }),
    { numRuns: 300 },
  )
})

test('an error is a KafkaError with the code to act on', () => {
  expect(() => checkRecord({ topic: 'a b', value: '' }, 0n)).toThrow(KafkaError)
  expect(() => checkRecord({ topic: 't', value: '', partition: -1 }, 0n)).toThrow(/whole number from 0/)
  expect(() => checkRecord({ topic: 't', value: '', timestamp: -5 }, 0n)).toThrow(
    expect.objectContaining({ code: 'INVALID_TIMESTAMP' }),
  )
  expect(() => checkRecord({ topic: 't', value: 5 as never }, 0n)).toThrow(/Buffers, strings or null/)
})
