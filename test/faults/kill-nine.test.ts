// kill -9 under three foreign producers (Java, franz-go, KafkaJS), acks=all: after every restart, each acknowledged record is where it was
// acknowledged, and each producer's records are there once and in order. Long: `npm run faults -- kill-nine --cycles 200`.
// A life is a new broker with new topics; its cycles share the data. Every second life rolls segments all the time.
import { expect, test } from 'vitest'
import { startBrokerProcess } from '../clients/broker-process.ts'
import { kafkaAdmin } from '../clients/topics.ts'
import { franzProducer, javaProducer, kafkajsProducer, pause, progress } from './producers.ts'
import { add, judge, readTopic, spotless, type Verdict } from './verdict.ts'

const cycles = Number(process.env.MILLRACE_KILL_CYCLES ?? 6)
const cyclesPerLife = Math.min(25, Math.ceil(cycles / 2))
const topic = 'kill-nine'
const partitions = 3

async function life(count: number, isRolling: boolean): Promise<Verdict> {
  const broker = await startBrokerProcess()
  try {
    const configEntries = isRolling ? [{ name: 'internal.segment.bytes', value: '16384' }] : []
    await kafkaAdmin(broker.bootstrap, admin =>
      admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }] }),
    )
    const target = { bootstrap: broker.bootstrap, topic }
    const producers = [
      await javaProducer(target),
      await franzProducer(target),
      await kafkajsProducer({ ...target, partitions }),
    ]
    const floor = producers.map(() => 0)
    for (let cycle = 0; cycle < count; cycle += 1) {
      await progress(producers, floor)
      await pause(100 + ((cycle * 137) % 300))
      expect(await broker.stop('SIGKILL')).toBe('SIGKILL')
      for (const [index, producer] of producers.entries()) floor[index] = producer.acknowledged.length
      await broker.restart()
    }
    await progress(producers, floor)
    await Promise.all(producers.map(producer => producer.stop()))
    return judge(await readTopic(target), producers)
  } finally {
    await broker.remove()
  }
}

test(
  `${cycles} cycles of kill -9 lose no acknowledged record and keep each producer's order`,
  async () => {
    const total: Verdict = { acknowledged: 0, lost: 0, disordered: 0, duplicated: 0 }
    for (let done = 0, lives = 0; done < cycles; lives += 1) {
      const count = Math.min(cyclesPerLife, cycles - done)
      add(total, await life(count, lives % 2 === 1))
      done += count
      process.stdout.write(
        `kill -9: ${done} of ${cycles} cycles, ${total.acknowledged} acknowledged records, ${total.lost} lost, ${total.disordered} out of order, ${total.duplicated} twice\n`,
      )
    }
    expect(total).toEqual(spotless(total))
  },
  60_000 + cycles * 40_000,
)
