// Eligible leader replicas (KIP-966) in a metadata log of Apache Kafka's: the last replica is kept so that either broker finds it again.
import { beforeEach, expect, test } from 'vitest'
import { manualHost } from '#host'
import { encodeBatch, encodeControlRecord, type MetadataRecordInput, metadataRecords } from '#protocol'
import { plainCodec } from '../metadata/batch-codec-double.ts'
import { FEATURES, World } from './controller-world.ts'

const features = [
  ...FEATURES,
  { name: 'eligible.leader.replicas.version', minSupportedVersion: 0, maxSupportedVersion: 1 },
]

/** As Kafka's storage tool leaves it. */
function bootstrapFile(records: readonly MetadataRecordInput[]): Buffer {
  const frame = (type: 'SnapshotHeader' | 'SnapshotFooter') => {
    const record = encodeControlRecord({ type, version: 0, lastContainedLogTimestamp: 0n })
    return encodeBatch({ records: [record], isControl: true }, plainCodec)
  }
  const values = records.map(record => ({ value: metadataRecords.encode(record) }))
  return Buffer.concat([frame('SnapshotHeader'), encodeBatch({ records: values }, plainCodec), frame('SnapshotFooter')])
}

let world: World
const partition = () => world.image.topics.byName('a')?.partitions[0]
const join = async (id: number) => {
  await world.register(id, { features })
  await world.heartbeat(id)
}

beforeEach(async () => {
  const host = manualHost()
  const levels = { 'metadata.version': 30, 'eligible.leader.replicas.version': 1 }
  const records = Object.entries(levels).map(
    ([name, featureLevel]): MetadataRecordInput => ({ type: 'FeatureLevelRecord', name, featureLevel }),
  )
  host.files.writeAtomicSync('/data/bootstrap.checkpoint', bootstrapFile(records))
  world = await World.start({ host })
  await join(1)
  await join(2)
})

test('the last in-sync replica that stops becomes eligible, and leads again when it is back', async () => {
  await world.createTopics([{ name: 'a', assignments: [{ partitionIndex: 0, brokerIds: [1] }] }])
  await world.heartbeat(1, { wantShutDown: true })
  await world.heartbeat(1, { wantShutDown: true })
  expect(partition()).toMatchObject({ leader: -1, isr: [], elr: [1], lastKnownElr: [1], leaderEpoch: 1 })
  await join(1)
  expect(partition()).toMatchObject({ leader: 1, isr: [1], elr: [], lastKnownElr: [], leaderEpoch: 2 })
})

test('a replica that is not eligible does not lead in its place', async () => {
  await world.createTopics([{ name: 'a', assignments: [{ partitionIndex: 0, brokerIds: [1, 2] }] }])
  await world.heartbeat(2, { wantShutDown: true })
  await world.heartbeat(2, { wantShutDown: true })
  expect(partition()).toMatchObject({ leader: 1, isr: [1], elr: [] })
  await world.heartbeat(1, { wantShutDown: true })
  await world.heartbeat(1, { wantShutDown: true })
  expect(partition()).toMatchObject({ leader: -1, isr: [], elr: [1] })
  await join(2)
  expect(partition()).toMatchObject({ leader: -1, isr: [], elr: [1] })
  await join(1)
  expect(partition()).toMatchObject({ leader: 1, isr: [1], elr: [] })
})

test('levels that say nothing here survive a snapshot and the next controller', async () => {
  const before = world.image.features
  expect(before.get('eligible.leader.replicas.version')).toBe(1)
  world = await world.restart()
  expect(world.image.features).toEqual(before)
})
