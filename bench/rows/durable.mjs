// Owns row 6: acks=all with the record on the disk before the answer. Kafka makes the same promise with flush.messages=1 on the topic.
// The limit is a loop that writes 1 KiB behind the last and calls fdatasync, in a file whose space was written before.
import { join } from 'node:path'
import { startKafka } from '../opponents/apache-kafka.mjs'
import { limitLoad } from '../opponents/limits.mjs'
import { startMillrace } from '../opponents/millrace.mjs'
import { rdkafkaLatencyOfMany, rdkafkaSaturated } from '../opponents/rdkafka.mjs'
import { createTopic } from '../opponents/topics.mjs'
import { measureLoad } from '../measured-load.mjs'
import { alternate, ratio } from '../rounds.mjs'

const sizeBytes = 1024
const partitions = 6
const topic = 'row6'
const producers = 64

export const durableOne = options =>
  durable(options, {
    row: '6',
    title: 'acks=all on the disk, 1 producer, 1,000 records/s of 1 KiB',
    load: bootstrap =>
      rdkafkaLatencyOfMany({ bootstrap, topic, producers: 1, count: 6_000, sizeBytes, ratePerSecond: 1_000 }),
    records: 6_000,
  })

export const durableMany = options =>
  durable(options, {
    row: '6, 64 producers',
    title: 'acks=all on the disk, 64 producers, each 20 records/s of 1 KiB',
    load: bootstrap => rdkafkaLatencyOfMany({ bootstrap, topic, producers, count: 160, sizeBytes, ratePerSecond: 20 }),
    records: producers * 160,
  })

export const durableSaturated = options =>
  durable(options, {
    row: '6, saturated',
    title:
      'acks=all on the disk, 64 producers, each with one record of 1 KiB in flight, as fast as they are acknowledged',
    load: bootstrap => rdkafkaSaturated({ bootstrap, topic, producers, count: 150, sizeBytes }),
    records: producers * 150,
    isSaturated: true,
  })

async function durable({ rounds, directory, log }, { row, title, load, records, isSaturated = false }) {
  const kafka = await startKafka(join(directory, 'kafka'))
  const millrace = await startMillrace(join(directory, 'millrace'))
  try {
    await createTopic(kafka.bootstrap, topic, { partitions, configs: { 'flush.messages': 1 } })
    await createTopic(millrace.bootstrap, topic, { partitions })
    const broker = node => ({
      name: node.name,
      run: async () => {
        const { result, brokerCpu } = await measureLoad(node.pid, () => load(node.bootstrap))
        return { ...result, cpuPerMillion: (brokerCpu.total * 1e6) / records }
      },
    })
    const bare = {
      name: 'bare pwrite + fdatasync',
      run: () => limitLoad('sync', join(directory, 'bare'), 3_000, sizeBytes, 0),
    }
    // A processor and a disk that rest between two records take longer to answer than in a tight loop.
    const paced = {
      name: 'the same, 1,000 times a second',
      run: () => limitLoad('sync', join(directory, 'bare'), 3_000, sizeBytes, 1_000),
    }
    const samples = await alternate([bare, paced, broker(kafka), broker(millrace)], { rounds, warmUp: 1, log })
    const against = (other, figure) => ratio(samples, millrace.name, other.name, figure)
    return {
      row,
      title,
      settings: {
        acks: 'all',
        sync: 'fdatasync before the ack: Kafka by flush.messages=1 of the topic, Millrace by default (flush.policy=sync)',
        partitions,
        lingerMs: 0,
        sizeBytes,
        records,
        rounds,
        load: isSaturated
          ? 'rdkafka_performance, one record a request, one request in flight'
          : 'rdkafka_performance -l',
      },
      samples,
      figures: isSaturated ? ['recordsPerSecond', 'cpuPerMillion'] : ['p50Us', 'p99Us', 'p999Us', 'cpuPerMillion'],
      ratios: isSaturated
        ? { 'acks/s, Millrace / Kafka': against(kafka, 'recordsPerSecond') }
        : {
            'p50, Millrace / Kafka': against(kafka, 'p50Us'),
            'p99, Millrace / Kafka': against(kafka, 'p99Us'),
            'p50, Millrace / bare fdatasync': against(bare, 'p50Us'),
            'p50, Millrace / bare fdatasync at 1,000/s': against(paced, 'p50Us'),
            'p99, Millrace / bare fdatasync at 1,000/s': against(paced, 'p99Us'),
          },
    }
  } finally {
    await Promise.all([kafka.stop(), millrace.stop()])
  }
}
