// What a power cut may take where the policy allows it. `relaxed` must be seen to lose (else the cut was not real), and never more than its
// bound: 256 KiB of acknowledged records a partition, all appended within 100 ms. `replicated` syncs nothing by itself: the loss is reported.
// Under both, what is left is the log up to some offset, each record where it was acknowledged.
// Long: `npm run faults -- power-cut-loss --cycles 50`.
import { Kafka, logLevel } from 'kafkajs'
import { expect, test } from 'vitest'
import { startBrokerProcess } from '../clients/broker-process.ts'
import { kafkaAdmin } from '../clients/topics.ts'
import { type Acknowledged, pause } from './producers.ts'
import { isThere, readTopic } from './verdict.ts'
import { losePower, MountedImage } from './mounted-image.ts'

/** Sparse: it takes what is written to it. */
const imageBytes = 2 ** 30
const cycles = Number(process.env.MILLRACE_POWER_CUTS ?? 2)
const topic = 'lossy'
const partitions = 3
const lossBytesMax = 256 * 1024
const lossSpanMsMax = 100

interface Timed extends Acknowledged {
  readonly appendedMs: number
}

interface Totals {
  acknowledged: number
  cyclesWithLoss: number
  lost: number
  /** Largest loss of one partition in one cut. */
  lostBytesMost: number
  /** Longest time between the first and the last append that one partition lost in one cut. */
  lostSpanMsMost: number
  /** Acknowledged records with something else, or a hole, in their place. */
  wrong: number
}

/** Writes to every partition at once, record by record, until told to stop; nothing is sent twice. */
async function writeUntilStopped(bootstrap: string, cycle: number) {
  const acknowledged: Timed[] = []
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 0 } })
  const producer = kafka.producer({ maxInFlightRequests: 16 })
  await producer.connect()
  let running = true
  // Every second cycle is heavy enough for the bound in bytes to matter, the others for the bound in time.
  const padding = '.'.repeat(cycle % 2 === 0 ? 4000 : 20)
  const writers = Array.from({ length: 2 * partitions }, async (_, writer) => {
    for (let at = 0; running; at += 1) {
      const value = `c${cycle}w${writer}${padding}-${at}`
      const partition = writer % partitions
      try {
        const [result] = await producer.send({ topic, acks: -1, timeout: 3000, messages: [{ partition, value }] })
        const [offset, appendedMs] = [Number(result?.baseOffset), Number(result?.logAppendTime)]
        acknowledged.push({ partition, offset, value, appendedMs })
      } catch {
        await pause(10)
      }
    }
  })
  return {
    acknowledged,
    async stop() {
      running = false
      await Promise.all(writers)
      await producer.disconnect()
    },
  }
}

async function cut(policy: string, fileSystem: 'xfs' | 'ext4', count: number, total: Totals) {
  const volume = MountedImage.onLoopDevice(fileSystem, imageBytes)
  try {
    const broker = await startBrokerProcess({ 'log.dirs': `${volume.path}/data`, 'flush.policy': policy })
    const { bootstrap } = broker
    try {
      const configEntries = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }]
      await kafkaAdmin(bootstrap, admin =>
        admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }] }),
      )
      for (let cycle = 0; cycle < count; cycle += 1) {
        const load = await writeUntilStopped(bootstrap, cycle)
        await pause(500 + ((cycle * 137) % 400))
        await losePower(volume, broker, cycle % 3 === 2 ? 'log-flushed' : 'log-lost')
        await load.stop()
        await broker.restart()
        const contents = await readTopic({ bootstrap, topic })
        for (let partition = 0; partition < partitions; partition += 1) {
          const log = contents.get(partition) ?? new Map<number, string>()
          const promised = load.acknowledged.filter(record => record.partition === partition)
          const lost = promised.filter(record => record.offset >= log.size)
          total.acknowledged += promised.length
          total.wrong += promised.filter(record => record.offset < log.size && !isThere(contents, record)).length
          total.lost += lost.length
          if (lost.length === 0) continue
          const times = lost.map(record => record.appendedMs)
          const bytes = lost.reduce((sum, record) => sum + record.value.length, 0)
          total.lostBytesMost = Math.max(total.lostBytesMost, bytes)
          total.lostSpanMsMost = Math.max(total.lostSpanMsMost, Math.max(...times) - Math.min(...times))
        }
        if (load.acknowledged.some(record => !isThere(contents, record))) total.cyclesWithLoss += 1
      }
    } finally {
      await broker.stop('SIGKILL')
    }
  } finally {
    volume.remove()
  }
}

async function cutAll(policy: string): Promise<Totals> {
  const total = { acknowledged: 0, cyclesWithLoss: 0, lost: 0, lostBytesMost: 0, lostSpanMsMost: 0, wrong: 0 }
  for (let done = 0, lives = 0; done < cycles; lives += 1) {
    const count = Math.min(10, Math.ceil(cycles / 2), cycles - done)
    await cut(policy, lives % 2 === 0 ? 'xfs' : 'ext4', count, total)
    done += count
    process.stdout.write(
      `power cut under flush.policy=${policy}: ${done} of ${cycles} cycles, ${total.cyclesWithLoss} with loss; ` +
        `${total.lost} of ${total.acknowledged} acknowledged records lost, at most ${total.lostBytesMost} bytes ` +
        `and ${total.lostSpanMsMost} ms of a partition in one cut, ${total.wrong} wrong\n`,
    )
  }
  return total
}

const timeoutMs = 60_000 + cycles * 20_000

test(`${cycles} power cuts under flush.policy=relaxed lose something, within the bound`, {
  timeout: timeoutMs,
}, async () => {
  const total = await cutAll('relaxed')
  expect(total.wrong).toBe(0)
  expect(total.lost).toBeGreaterThan(0)
  expect(total.lostBytesMost).toBeLessThanOrEqual(lossBytesMax)
  // Stamps are whole milliseconds of the wall clock, the bound is kept by another clock.
  expect(total.lostSpanMsMost).toBeLessThanOrEqual(lossSpanMsMax + 2)
})

test(`${cycles} power cuts under flush.policy=replicated leave a log without holes`, {
  timeout: timeoutMs,
}, async () => {
  const total = await cutAll('replicated')
  expect(total.wrong).toBe(0)
})
