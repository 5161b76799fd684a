// The power goes: a broker's volume is shut down under it while foreign producers write, so that whatever was not synced is gone; then the
// volume is mounted again and the broker started on what is left. Cuts also fall into rolls (tiny segments), checkpoints and metadata
// snapshots (made all the time), creation and deletion of topics, commits of offsets, cleaning of a compacted topic, the time
// after a kill -9, and into recovery.
// Long: `npm run faults -- power-cut --cycles 200`. What the policies that may lose do is in power-cut-loss.test.ts.
import { expect, test } from 'vitest'
import { startBrokerProcess } from '../clients/broker-process.ts'
import { kafkaAdmin } from '../clients/topics.ts'
import { controlWork } from './control-work.ts'
import { type ForeignProducer, franzProducer, javaProducer, kafkajsProducer, pause, progress } from './producers.ts'
import { follow } from './readers.ts'
import {
  add,
  isThere,
  judge,
  judgeCompacted,
  readTopic,
  spotless,
  type TopicContents,
  type Verdict,
} from './verdict.ts'
import { losePower, MountedImage } from './mounted-image.ts'

/** Sparse: it takes what is written to it. */
const imageBytes = 2 ** 30
const cycles = Number(process.env.MILLRACE_POWER_CUTS ?? 5)
/** Cycles on one volume with one set of topics and producers. */
const cyclesPerLife = Math.min(8, Math.ceil(cycles / 2))

const settings = {
  'log.flush.offset.checkpoint.interval.ms': 50,
  'log.flush.start.offset.checkpoint.interval.ms': 50,
  'metadata.log.max.record.bytes.between.snapshots': 4096,
  'log.retention.check.interval.ms': 100,
  'log.cleaner.backoff.ms': 50,
  'log.segment.delete.delay.ms': 100,
}
/** As small as it takes to roll many times a second. */
const rolling = { 'internal.segment.bytes': '16384', 'index.interval.bytes': '512' }
const topics = {
  plain: { partitions: 3, configs: {} },
  rolling: { partitions: 3, configs: rolling },
  compacted: {
    partitions: 1,
    configs: { ...rolling, 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.01' },
  },
}

interface Totals extends Verdict {
  cutsInRecovery: number
  created: number
  deleted: number
  committed: number
  /** Records shown to a reader, and how many of them were taken back. */
  shown: number
  takenBack: number
  lostKeys: number
  /** Records of the compacted topic that newer ones of their keys took the place of. */
  cleaned: number
}

async function life(fileSystem: 'xfs' | 'ext4', count: number, total: Totals) {
  const volume = MountedImage.onLoopDevice(fileSystem, imageBytes)
  try {
    const broker = await startBrokerProcess({ ...settings, 'log.dirs': `${volume.path}/data` })
    const { bootstrap } = broker
    const stops: (() => Promise<void>)[] = []
    try {
      await kafkaAdmin(bootstrap, admin =>
        admin.createTopics({
          topics: Object.entries(topics).map(([topic, { partitions, configs }]) => ({
            topic,
            numPartitions: partitions,
            replicationFactor: 1,
            configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })),
          })),
        }),
      )
      const producers = [
        await javaProducer({ bootstrap, topic: 'plain' }),
        await kafkajsProducer({ bootstrap, topic: 'plain', partitions: 3 }),
        await franzProducer({ bootstrap, topic: 'rolling' }),
        await kafkajsProducer({ bootstrap, topic: 'compacted', name: 'keyed', partitions: 1, keys: 40 }),
      ]
      stops.push(...producers.map(producer => () => producer.stop()))
      const control = controlWork(bootstrap, 'plain')
      const followers = [
        await follow({ bootstrap, topic: 'plain', partition: 0 }),
        await follow({ bootstrap, topic: 'rolling', partition: 1 }),
      ]
      stops.push(...followers.map(follower => () => follower.stop()), () => control.stop())

      const floor = producers.map(() => 0)
      /** How much each producer had been acknowledged at each cut. */
      const marks: number[][] = []
      for (let cycle = 0; cycle < count; cycle += 1) {
        await progress(producers, floor)
        await pause(100 + ((cycle * 337) % 900))
        if (cycle % 4 === 2) {
          // What recovery found in the page cache counts as written, not as synced: a retried batch may be a duplicate of it.
          await broker.stop('SIGKILL')
          await broker.restart()
          await pause(100 + ((cycle * 211) % 400))
        }
        await losePower(volume, broker, cycle % 4 === 3 ? 'log-flushed' : 'log-lost')
        for (const [index, producer] of producers.entries()) floor[index] = producer.acknowledged.length
        marks.push([...floor])
        if (cycle % 3 === 2) {
          // The power goes before it is ready.
          const starting = broker.restart().catch(() => {})
          await pause(150 + ((cycle * 71) % 250))
          await losePower(volume, broker, 'log-lost')
          await starting
          total.cutsInRecovery += 1
        }
        await broker.restart()
        expect(await control.broken()).toEqual([])
      }
      await progress(producers, floor)
      while (stops.length > 0) await stops.pop()?.()

      for (const topic of ['plain', 'rolling']) {
        const contents = await readTopic({ bootstrap, topic })
        const theirs = producers.filter(producer => producer.topic === topic)
        add(total, judge(contents, theirs))
        for (const producer of theirs)
          reportLost(
            producer,
            contents,
            marks.map(mark => mark[producers.indexOf(producer)] ?? 0),
          )
        for (const follower of followers.filter(each => each.topic === topic)) {
          total.shown += follower.shown.length
          total.takenBack += follower.shown.filter(record => !isThere(contents, record)).length
        }
      }
      for (const producer of producers.filter(each => each.topic === 'compacted')) {
        total.acknowledged += producer.acknowledged.length
        const contents = await readTopic({ bootstrap, topic: 'compacted' })
        total.lostKeys += judgeCompacted(contents, producer)
        total.cleaned +=
          producer.acknowledged.length - producer.acknowledged.filter(each => isThere(contents, each)).length
      }
      total.created += control.acknowledged.created
      total.deleted += control.acknowledged.deleted
      total.committed += control.acknowledged.committed
    } finally {
      const stopping = stops.map(stop => stop())
      await broker.stop('SIGKILL')
      void Promise.allSettled(stopping)
    }
  } finally {
    volume.remove()
  }
}

/** For whoever has to find out why: where the lost records were, and in which cycle they were acknowledged. */
function reportLost(producer: ForeignProducer, contents: TopicContents, marks: readonly number[]) {
  const lost = producer.acknowledged.flatMap((record, index) => (isThere(contents, record) ? [] : [{ record, index }]))
  for (const partition of new Set(lost.map(({ record }) => record.partition))) {
    const here = lost.filter(({ record }) => record.partition === partition)
    const offsets = here.map(({ record }) => record.offset).sort((a, b) => a - b)
    const cyclesOf = new Set(here.map(({ index }) => marks.findIndex(mark => index < mark)))
    const end = Math.max(-1, ...(contents.get(partition)?.keys() ?? []))
    const found = contents.get(partition)?.get(offsets[0] ?? -1)
    process.stdout.write(
      `LOST ${producer.topic}-${partition}: ${here.length} records of ${producer.name} at offsets ${offsets[0]} to ${offsets.at(-1)}, ` +
        `acknowledged in cycle ${[...cyclesOf].join(' and ')}, the log ends at ${end}, instead of the first: ${found}\n`,
    )
  }
}

const describe = (total: Totals) =>
  `${total.acknowledged} acknowledged records, ${total.lost} lost, ${total.disordered} out of order, ${total.duplicated} twice, ` +
  `${total.lostKeys} keys lost, ${total.cleaned} records cleaned away; ${total.shown} shown to readers, ${total.takenBack} taken back; ` +
  `${total.created} topics created, ${total.deleted} deleted, ${total.committed} commits, all kept; ${total.cutsInRecovery} further cuts in recovery`

test(
  `${cycles} power cuts lose nothing that was acknowledged`,
  async () => {
    const total: Totals = {
      acknowledged: 0,
      lost: 0,
      disordered: 0,
      duplicated: 0,
      lostKeys: 0,
      cleaned: 0,
      shown: 0,
      takenBack: 0,
      cutsInRecovery: 0,
      created: 0,
      deleted: 0,
      committed: 0,
    }
    for (let done = 0, lives = 0; done < cycles; lives += 1) {
      const count = Math.min(cyclesPerLife, cycles - done)
      const fileSystem = lives % 2 === 0 ? 'xfs' : 'ext4'
      await life(fileSystem, count, total)
      done += count
      process.stdout.write(`power cut (${fileSystem}): ${done} of ${cycles} cycles, ${describe(total)}\n`)
    }
    expect({ ...total, lostKeys: 0, takenBack: 0 }).toEqual({ ...total, ...spotless(total) })
    expect([total.lostKeys, total.takenBack]).toEqual([0, 0])
    expect(total.cleaned).toBeGreaterThan(0)
  },
  60_000 + cycles * 60_000,
)
