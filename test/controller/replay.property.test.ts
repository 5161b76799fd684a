// Whatever is asked in whatever order, with crashes and snapshots in between: the image that the log, or a snapshot and the log
// after it, gives is the image the controller decides on.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeSnapshot, encodeSnapshot, loadBatches, MetadataImage } from '#metadata'
import { plainCodec } from '../metadata/batch-codec-double.ts'
import { imageParts } from '../metadata/image-parts.ts'
import { World } from './controller-world.ts'

const name = fc.constantFrom('a', 'b', 'c.d', 'c_d', '__consumer_offsets', 'bad name')
const broker = fc.integer({ min: 1, max: 3 })
const operation = fc.oneof(
  fc.record({
    kind: fc.constant('create' as const),
    name,
    partitions: fc.integer({ min: -1, max: 4 }),
    factor: fc.integer({ min: -1, max: 3 }),
  }),
  fc.record({ kind: fc.constant('delete' as const), name }),
  fc.record({ kind: fc.constant('grow' as const), name, count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({
    kind: fc.constant('alter' as const),
    name,
    setting: fc.constantFrom('retention.ms', 'cleanup.policy', 'segment.bytes'),
    op: fc.integer({ min: 0, max: 3 }),
    value: fc.constantFrom('compact', 'delete', '5', '2097152', '-1'),
  }),
  fc.record({ kind: fc.constant('register' as const), broker }),
  fc.record({ kind: fc.constant('heartbeat' as const), broker, wantFence: fc.boolean(), wantShutDown: fc.boolean() }),
  fc.record({ kind: fc.constant('alive' as const), broker }),
  fc.record({ kind: fc.constant('producer ids' as const), broker }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 100, max: 6000 }) }),
  fc.record({ kind: fc.constant('restart' as const), powerCut: fc.boolean() }),
)
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

async function perform(world: World, step: Operation): Promise<unknown> {
  switch (step.kind) {
    case 'create':
      return world.createTopics([{ name: step.name, numPartitions: step.partitions, replicationFactor: step.factor }])
    case 'delete':
      return world.deleteTopics({ topics: [{ name: step.name }] })
    case 'grow':
      return world.createPartitions({ topics: [{ name: step.name, count: step.count, assignments: null }] })
    case 'alter':
      return world.alterTopic(step.name, [step.setting, step.op, step.value])
    case 'register':
      return world.register(step.broker)
    case 'heartbeat':
      return world.heartbeat(step.broker, { wantFence: step.wantFence, wantShutDown: step.wantShutDown })
    case 'alive':
      return world.heartbeat(step.broker)
    case 'producer ids':
      return world.producerIds(step.broker)
    case 'wait':
      world.host.advance(step.ms)
      // What time alone brings about is acknowledged to nobody: let it reach the disk.
      return new Promise(setImmediate)
    case 'restart':
      throw new Error('handled by the caller')
  }
}

function checkInvariants(image: MetadataImage): void {
  for (const topic of image.topics.all()) {
    expect(image.topics.byName(topic.name)).toBe(topic)
    topic.partitions.forEach((partition, index) => {
      expect(partition.partition).toBe(index)
      expect(partition.isr.length).toBeGreaterThan(0)
      for (const id of partition.isr) expect(partition.replicas).toContain(id)
      if (partition.leader === -1) return
      expect(partition.isr).toContain(partition.leader)
      expect(image.brokers.get(partition.leader)).toMatchObject({ fenced: false })
    })
  }
  for (const { resourceType, resourceName } of image.configs.all()) {
    expect(resourceType).toBe(2)
    expect(image.topics.byName(resourceName), resourceName).toBeDefined()
  }
}

test('replaying the log, or a snapshot and the rest of the log, gives the image of the controller', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 60 }), fc.nat(100), async (operations, cutPercent) => {
      let world = await World.start()
      await world.join(1, 2)
      const epochs = new Map<string, number>()
      for (const step of operations) {
        if (step.kind === 'restart') {
          const before = imageParts(world.image)
          world = await world.restart({ powerCut: step.powerCut })
          expect(imageParts(world.image)).toEqual(before)
        } else {
          await perform(world, step)
        }
        checkInvariants(world.image)
        for (const { topicId, partitions } of world.image.topics.all()) {
          for (const { partition, leaderEpoch } of partitions) {
            const key = `${topicId}-${partition}`
            expect(leaderEpoch).toBeGreaterThanOrEqual(epochs.get(key) ?? 0)
            epochs.set(key, leaderEpoch)
          }
        }
      }
      const { batches } = world.log
      const replayed = loadBatches(MetadataImage.empty, Buffer.concat(batches), { codec: plainCodec })
        ?.image as MetadataImage
      expect(imageParts(replayed)).toEqual(imageParts(world.image))
      expect([replayed.offset, replayed.epoch]).toEqual([world.image.offset, world.image.epoch])

      const cut = Math.max(1, Math.floor((batches.length * cutPercent) / 100))
      const early = loadBatches(MetadataImage.empty, Buffer.concat(batches.slice(0, cut)), { codec: plainCodec })
        ?.image as MetadataImage
      const bytes = encodeSnapshot(early, { codec: plainCodec, lastContainedLogTimestampMs: 1 })
      const restored = decodeSnapshot({ endOffset: early.offset + 1n, epoch: early.epoch }, bytes, plainCodec)
      const rest = loadBatches(restored, Buffer.concat(batches.slice(cut)), { codec: plainCodec })?.image ?? restored
      expect(imageParts(rest)).toEqual(imageParts(world.image))
    }),
    { numRuns: 150 },
  )
}, 60_000)
