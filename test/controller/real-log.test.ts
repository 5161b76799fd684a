// The controller on a real directory: the native log, real files, real syncs.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BrokerConfig } from '#config'
import { Controller } from '#controller'
import { realHost } from '#host'
import { nativeBatchCodec } from '#native'
import { brokerHeartbeat, brokerRegistration, createTopics, fetch } from '#protocol'
import { imageParts } from '../metadata/image-parts.ts'
import { CLUSTER_ID, FEATURES } from './controller-world.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-controller-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const host = realHost({ level: 'silent' })

function start(overrides: Record<string, string> = {}): Promise<Controller> {
  const config = BrokerConfig.load({ overrides: { 'log.dirs': directory, ...overrides } })
  return Controller.start({ config, host, nodeId: 1, clusterId: CLUSTER_ID, batchCodec: nativeBatchCodec })
}

async function join1(controller: Controller): Promise<void> {
  const { response } = await controller.handle<typeof brokerRegistration>(62, 4, {
    brokerId: 1,
    clusterId: CLUSTER_ID,
    incarnationId: host.entropy.uuid(),
    listeners: [{ name: 'PLAINTEXT', host: 'localhost', port: 9092, securityProtocol: 0 }],
    features: FEATURES,
    logDirs: [host.entropy.uuid()],
    rack: null,
  })
  expect(response.errorCode).toBe(0)
  const { response: beat } = await controller.handle<typeof brokerHeartbeat>(63, 2, {
    brokerId: 1,
    brokerEpoch: response.brokerEpoch,
    currentMetadataOffset: response.brokerEpoch,
  })
  expect(beat).toMatchObject({ errorCode: 0, isFenced: false })
}

const create = async (controller: Controller, name: string) =>
  (
    await controller.handle<typeof createTopics>(19, 7, {
      topics: [{ name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] }],
    })
  ).response.topics[0]

test('decisions survive a restart, one that closed and one that did not', async () => {
  const first = await start()
  await join1(first)
  expect(await create(first, 'a')).toMatchObject({ errorCode: 0 })
  const before = imageParts(first.image)
  await first.close()

  const second = await start()
  expect(imageParts(second.image)).toEqual(before)
  expect(second.leaderEpoch).toBe(2)
  await join1(second)
  expect(await create(second, 'b')).toMatchObject({ errorCode: 0 })
  const abandoned = imageParts(second.image)

  // Not closed: the directory is as a killed process leaves it.
  const third = await start()
  expect(imageParts(third.image)).toEqual(abandoned)
  await third.close()
})

test('the directory holds what Kafka would look for', async () => {
  const controller = await start()
  await join1(controller)
  await controller.close()
  const names = readdirSync(join(directory, '__cluster_metadata-0'))
  expect(names).toEqual(expect.arrayContaining(['00000000000000000000.log', 'quorum-state', 'partition.metadata']))
})

test('many topics at once share few syncs, and snapshots cut the log', async () => {
  const overrides = { 'metadata.log.max.record.bytes.between.snapshots': '20000' }
  const controller = await start(overrides)
  await join1(controller)
  for (let round = 0; round < 5; round++) {
    const created = await Promise.all(Array.from({ length: 100 }, (_, i) => create(controller, `t-${round}-${i}`)))
    expect(created.every(topic => topic?.errorCode === 0)).toBe(true)
  }
  const before = imageParts(controller.image)
  await controller.close()
  const snapshots = readdirSync(join(directory, '__cluster_metadata-0')).filter(name => name.endsWith('.checkpoint'))
  expect(snapshots.length).toBeGreaterThan(0)
  const next = await start(overrides)
  expect(imageParts(next.image)).toEqual(before)
  await next.close()
})

test('an observer waits in a fetch until something is on disk', async () => {
  const controller = await start()
  await join1(controller)
  const fetchOffset = controller.image.offset + 1n
  const waiting = controller.handle<typeof fetch>(1, 17, {
    clusterId: CLUSTER_ID,
    maxWaitMs: 20_000,
    maxBytes: 1 << 20,
    topics: [
      { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 << 20 }] },
    ],
  })
  await create(controller, 'a')
  const { response } = await waiting
  expect(response.responses[0]?.partitions[0]?.records?.length).toBeGreaterThan(0)
  await controller.close()
})
