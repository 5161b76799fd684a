// For every API and version that is served, native or not: lengths and counts beyond the frame, bodies that end early, bytes changed
// at random. The first two close the connection, each is counted; the last may do what it likes to its own connection only.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Api, apiByKey, encodeRequestFrame, fetch, listOffsets, produce } from '#protocol'
import { SeededRandom } from '../protocol/seeded-random.ts'
import { batchOf } from './answers/batches.ts'
import { AttackedBroker, inParallel, reactionTo, sized } from './attacked-broker.ts'
import { byteMutant, cutMutants, lengthMutants, type Mutant, validFrame } from './mutants.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? 1)
/** Raise it for a long run, with another MILLRACE_SEED. */
const MUTANTS = Number(process.env['MILLRACE_MUTANTS'] ?? 12)
const CUTS = 16
const AT_ONCE = 32
/** A mutant that is still right may be parked: a JoinGroup, a Fetch. */
const PARKED_MS = 60
const GROWN_BYTES_MAX = 256 << 20

let broker: AttackedBroker
let pairs: { api: Api; version: number }[]

beforeAll(async () => {
  broker = await AttackedBroker.start({ topics: { fuzzed: { partitions: 2 } } })
  pairs = broker.kafka.broker.services.apiVersions.flatMap(({ apiKey }) => {
    const api = apiByKey(apiKey) as Api
    const [min, max] = api.versions
    return Array.from({ length: max - min + 1 }, (_, index) => ({ api, version: min + index }))
  })
})
afterEach(() => broker.check())
afterAll(async () => {
  await broker.checkForgotten()
  expect(broker.grownBytes).toBeLessThan(GROWN_BYTES_MAX)
  await broker.stop()
})

async function expectClosed(mutants: readonly Mutant[]): Promise<void> {
  const counted = await broker.counted(['BadFrameBody', 'undecodableRequests'], async () => {
    const alive: string[] = []
    await inParallel(mutants, AT_ONCE, async ({ what, frame }) => {
      const reaction = await reactionTo(broker.port, sized(frame))
      if (reaction !== 'closed') alive.push(`${what}: ${frame.toString('hex')} got ${reaction.toString('hex')}`)
    })
    expect(alive).toEqual([])
  })
  expect(counted).toBe(mutants.length)
}

test('lengths and counts beyond the frame close the connection, in every API and version', async () => {
  const mutants = pairs.flatMap(({ api, version }) => lengthMutants(api, version))
  expect(mutants.length).toBeGreaterThan(3000)
  await expectClosed(mutants)
})

test('bodies that end early close the connection, in every API and version', async () => {
  const random = new SeededRandom(SEED)
  const mutants = pairs.flatMap(({ api, version }) => cutMutants(api, version, CUTS, random))
  expect(mutants.length).toBeGreaterThan(1000)
  await expectClosed(mutants)
})

test('bytes changed at random do nothing to anybody else', async () => {
  const random = new SeededRandom(SEED)
  const frames = pairs.flatMap(({ api, version }) => {
    const frame = validFrame(api, version)
    return Array.from({ length: MUTANTS }, () => byteMutant(frame, random))
  })
  await inParallel(frames, AT_ONCE, async frame => void (await reactionTo(broker.port, sized(frame), PARKED_MS)))
})

test('bytes changed at random in requests the core answers do nothing to anybody else', async () => {
  const random = new SeededRandom(SEED + 1)
  const header = { correlationId: 1, clientId: 'wire' }
  const good = [
    ...Array.from({ length: 11 }, (_, index) =>
      encodeRequestFrame(produce, 3 + index, header, {
        acks: -1,
        timeoutMs: 20,
        topicData: [{ name: 'fuzzed', partitionData: [0, 1].map(at => ({ index: at, records: batchOf(['a', 'b']) })) }],
      }),
    ),
    ...Array.from({ length: 15 }, (_, index) =>
      encodeRequestFrame(fetch, 4 + index, header, {
        maxWaitMs: 1,
        minBytes: 1,
        topics: [{ topic: 'fuzzed', partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1000 }] }],
      }),
    ),
    ...Array.from({ length: 11 }, (_, index) =>
      encodeRequestFrame(listOffsets, 1 + index, header, {
        replicaId: -1,
        topics: [{ name: 'fuzzed', partitions: [{ partitionIndex: 0, timestamp: 5n }] }],
      }),
    ),
  ]
  const frames = good.flatMap(frame => Array.from({ length: MUTANTS * 4 }, () => byteMutant(frame, random)))
  await inParallel(frames, AT_ONCE, async frame => void (await reactionTo(broker.port, sized(frame), PARKED_MS)))
})
