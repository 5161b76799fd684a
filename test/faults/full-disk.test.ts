// A full disk: producers are told to try again, reads, deletes and metadata go on, and when space returns so does everything.
import { deleteRecordsV2 } from '@platformatic/kafka'
import { afterEach, expect, test } from 'vitest'
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type BrokerProcess, startBrokerProcess } from '../clients/broker-process.ts'
import { kafkaAdmin } from '../clients/topics.ts'
import { acknowledgedAtLeast, lostOf, readFrom, startLoad } from './acknowledged-load.ts'
import { controlWork, withConnection } from './control-work.ts'
import { MountedImage } from './mounted-image.ts'
import { franzProducer, javaProducer, kafkajsProducer, progress } from './producers.ts'
import { judge, readTopic, spotless } from './verdict.ts'

let disk: MountedImage | undefined
let broker: BrokerProcess | undefined
afterEach(async () => {
  await broker?.stop('SIGKILL')
  broker = undefined
  disk?.remove()
  disk = undefined
})

async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`)
    await new Promise(done => setTimeout(done, 10))
  }
}

/** Takes all space there is, down to the last byte. */
function fill(path: string): void {
  const file = openSync(join(path, 'ballast'), 'w')
  try {
    for (let bytes = 1 << 20; bytes >= 1; ) {
      try {
        while (writeSync(file, Buffer.alloc(bytes)) === bytes);
      } catch {
        // Full for so many bytes.
      }
      bytes >>= 1
    }
  } finally {
    closeSync(file)
  }
}

for (const kind of ['tmpfs', 'ext4'] as const) {
  test(`a full ${kind} refuses producers and nothing else, until there is space`, { timeout: 120_000 }, async () => {
    disk = kind === 'tmpfs' ? MountedImage.inMemory(64 * 2 ** 20) : MountedImage.onLoopDevice('ext4', 64 * 2 ** 20)
    const started = await startBrokerProcess({
      'log.dirs': `${disk.path}/data`,
      'log.segment.bytes': 1024 * 1024,
      'log.segment.delete.delay.ms': 0,
      'log.flush.offset.checkpoint.interval.ms': 50,
    })
    broker = started
    const { bootstrap } = started
    const topics = ['kept', 'dropped'].map(topic => ({ topic, numPartitions: 2, replicationFactor: 1 }))
    await kafkaAdmin(bootstrap, admin => admin.createTopics({ topics }))
    const dropped = await startLoad({
      bootstrap,
      topic: 'dropped',
      partitions: [0, 1],
      valueBytes: 4000,
      recordsPerSend: 10,
      name: 'd',
    })
    await acknowledgedAtLeast(dropped, 1000)
    await dropped.stop()
    const load = await startLoad({
      bootstrap,
      topic: 'kept',
      partitions: [0, 1],
      valueBytes: 4000,
      recordsPerSend: 10,
      name: 'k',
    })
    await acknowledgedAtLeast(load, 500)
    fill(disk.path)
    await until(() => (load.refused.get('KAFKA_STORAGE_ERROR') ?? 0) > 10, 'producers are refused')
    expect([...load.refused.keys()]).toEqual(['KAFKA_STORAGE_ERROR'])
    // Reading, deleting and metadata go on.
    expect((await readFrom(bootstrap, 'kept', 0, 0)).size).toBeGreaterThan(0)
    await kafkaAdmin(bootstrap, admin => admin.createTopics({ topics: [{ topic: 'made-on-a-full-disk' }] }))
    const before = load.acknowledged.length
    await kafkaAdmin(bootstrap, admin => admin.deleteTopics({ topics: ['dropped'] }))
    await acknowledgedAtLeast(load, before + 100, 30_000)
    rmSync(join(disk.path, 'ballast'))
    const { bavail, bsize } = statfsSync(disk.path)
    expect(bavail * bsize).toBeGreaterThan(1 << 20)
    await acknowledgedAtLeast(load, before + 600, 30_000)
    await load.stop()
    expect(await lostOf(bootstrap, 'kept', load.acknowledged)).toEqual([])
    expect(await kafkaAdmin(bootstrap, admin => admin.listTopics())).toEqual(
      expect.arrayContaining(['kept', 'made-on-a-full-disk']),
    )
    await started.stop('SIGKILL')
    await started.restart()
    expect(await lostOf(bootstrap, 'kept', load.acknowledged)).toEqual([])
    process.stdout.write(
      `full ${kind}: ${load.refused.get('KAFKA_STORAGE_ERROR')} refused, ${load.acknowledged.length} acknowledged, 0 lost\n`,
    )
  })
}

test('producers that retry stand a full disk: nothing is lost, repeated or out of order', {
  timeout: 180_000,
}, async () => {
  disk = MountedImage.inMemory(96 * 2 ** 20)
  const started = await startBrokerProcess({
    'log.dirs': `${disk.path}/data`,
    'log.segment.bytes': 1024 * 1024,
    'log.segment.delete.delay.ms': 0,
    'log.retention.check.interval.ms': 200,
    'log.flush.offset.checkpoint.interval.ms': 50,
    'metadata.log.max.record.bytes.between.snapshots': 4096,
  })
  broker = started
  const { bootstrap } = started
  const topics = ['kept', 'old', 'dropped'].map(topic => ({ topic, numPartitions: 3, replicationFactor: 1 }))
  await kafkaAdmin(bootstrap, admin => admin.createTopics({ topics }))
  for (const topic of ['old', 'dropped']) {
    const load = await startLoad({
      bootstrap,
      topic,
      partitions: [0],
      valueBytes: 4000,
      recordsPerSend: 10,
      name: topic,
    })
    await acknowledgedAtLeast(load, 1000)
    await load.stop()
  }
  const target = { bootstrap, topic: 'kept' }
  const producers = [
    await javaProducer(target),
    await franzProducer(target),
    await kafkajsProducer({ ...target, partitions: 3 }),
  ]
  const control = controlWork(bootstrap, 'kept')
  const counts = () => producers.map(producer => producer.acknowledged.length)
  await progress(producers, [])
  const refused = await startLoad({
    bootstrap,
    topic: 'kept',
    partitions: [2],
    valueBytes: 4000,
    recordsPerSend: 10,
    name: 'big',
  })

  for (const freed of ['by deleting a topic', 'by deleting records', 'from outside'] as const) {
    fill(disk.path)
    const refusedBefore = refused.refused.get('KAFKA_STORAGE_ERROR') ?? 0
    await until(
      () => (refused.refused.get('KAFKA_STORAGE_ERROR') ?? 0) > refusedBefore + 5,
      `refused before it is freed ${freed}`,
    )
    expect((await readFrom(bootstrap, 'kept', 0, 0)).size).toBeGreaterThan(0)
    expect(await kafkaAdmin(bootstrap, admin => admin.listTopics())).toContain('kept')
    const full = counts()
    if (freed === 'by deleting a topic')
      await kafkaAdmin(bootstrap, admin => admin.deleteTopics({ topics: ['dropped'] }))
    else if (freed === 'by deleting records')
      await withConnection(bootstrap, connection =>
        deleteRecordsV2.api.async(
          connection,
          [{ name: 'old', partitions: [{ partitionIndex: 0, offset: 1000n }] }],
          5000,
        ),
      )
    else rmSync(join(disk.path, 'ballast'))
    await progress(producers, full)
    if (freed !== 'from outside') rmSync(join(disk.path, 'ballast'))
  }

  await refused.stop()
  expect([...refused.refused.keys()]).toEqual(['KAFKA_STORAGE_ERROR'])
  await progress(producers, counts())
  expect(await control.broken()).toEqual([])
  await Promise.all([...producers.map(producer => producer.stop()), control.stop()])
  const seen = judge(await readTopic(target), producers)
  await started.stop('SIGKILL')
  await started.restart()
  const after = judge(await readTopic(target), producers)
  expect(await control.broken()).toEqual([])
  expect([seen, after]).toEqual([spotless(seen), spotless(after)])
  process.stdout.write(
    `full disk, filled and freed three ways: ${refused.refused.get('KAFKA_STORAGE_ERROR')} refused, ${after.acknowledged} acknowledged by producers that retry, 0 lost, out of order or twice; ` +
      `${control.acknowledged.created} topics created, ${control.acknowledged.deleted} deleted, ${control.acknowledged.committed} commits, all kept\n`,
  )
})
