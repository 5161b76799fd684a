// Owns rows 1 and 2: what a produced byte costs a broker, beside a bare recv + CRC + pwrite loop and Apache Kafka.
import { join } from 'node:path'
import { kafkaTool } from '../../test/clients/toolbox/kafka-jars.mjs'
import { startKafka } from '../opponents/apache-kafka.mjs'
import { limitLoad, startLimit } from '../opponents/limits.mjs'
import { startMillrace } from '../opponents/millrace.mjs'
import { rdkafkaProduce } from '../opponents/rdkafka.mjs'
import { measureLoad } from '../measured-load.mjs'
import { residentMegabytes } from '../process-cost.mjs'
import { alternate, medianOf, ratio } from '../rounds.mjs'

const batchBytes = 262_144
const lingerMs = 5

/** Row 1: 1 KiB records. */
export const produce1KiB = options =>
  produceRow({
    row: '1',
    title: 'produce 1 KiB, acks=1, 6 partitions',
    sizeBytes: 1024,
    count: options.records ?? 1_500_000,
    ...options,
  })
/** Row 2: 100 B records. */
export const produce100B = options =>
  produceRow({
    row: '2',
    title: 'produce 100 B, acks=1, 6 partitions',
    sizeBytes: 100,
    count: options.records ?? 8_000_000,
    ...options,
  })
/** Row 1 with the Java client, which saturates before a good broker does. */
export const produceJava = options =>
  produceRow({
    row: '1-java',
    title: 'produce 1 KiB with ProducerPerformance, acks=1, 6 partitions',
    sizeBytes: 1024,
    count: options.records ?? 1_000_000,
    load: javaProduce,
    ...options,
  })

async function produceRow({ row, title, sizeBytes, count, rounds, directory, log, load = rdkafka }) {
  const bytes = sizeBytes * count
  const gigabytes = bytes / 1e9
  const limit = await startLimit('produce', {
    logFile: join(directory, 'limit.log'),
    argument: join(directory, 'limit'),
  })
  const kafka = await startKafka(join(directory, 'kafka'))
  const millrace = await startMillrace(join(directory, 'millrace'))
  try {
    const broker = node => ({
      name: node.name,
      run: async () => {
        const { result, brokerCpu, clientCpu } = await measureLoad(
          node.pid,
          () => load({ bootstrap: node.bootstrap, topic: `row${row}`, count, sizeBytes }),
          { newBytes: bytes },
        )
        return {
          ...result,
          ...costs(brokerCpu, gigabytes, count),
          clientCpuPerGB: clientCpu.total / gigabytes,
          rssPeakMB: residentMegabytes(node.pid).peak,
        }
      },
    })
    const bare = {
      name: 'bare recv + CRC + pwrite',
      run: async () => {
        const { result, brokerCpu } = await measureLoad(limit.pid, () => limitLoad('send', limit.port, bytes, 1), {
          newBytes: bytes,
        })
        return {
          seconds: result.seconds,
          megabytesPerSecond: bytes / 1e6 / result.seconds,
          recordsPerSecond: count / result.seconds,
          ...costs(brokerCpu, gigabytes, count),
        }
      },
    }
    const contenders = [bare, broker(kafka), broker(millrace)]
    const samples = await alternate(contenders, { rounds, warmUp: 1, log })
    return {
      row,
      title,
      settings: {
        acks: 1,
        sync: 'page cache (no fdatasync before the ack) on both',
        batchBytes,
        lingerMs,
        sizeBytes,
        count,
        rounds,
        load: load === rdkafka ? 'rdkafka_performance' : 'ProducerPerformance',
      },
      samples,
      figures: [
        'megabytesPerSecond',
        'recordsPerSecond',
        'cpuPerGB',
        'cpuUserPerGB',
        'cpuSystemPerGB',
        'cpuPerMillion',
        'clientCpuPerGB',
        'rssPeakMB',
      ],
      ratios: {
        'cpu-s/GB, Millrace / bare loop': ratio(samples, millrace.name, bare.name, 'cpuPerGB'),
        'cpu-s/GB, Millrace / Kafka': ratio(samples, millrace.name, kafka.name, 'cpuPerGB'),
        'cpu-s per million, Millrace / Kafka': ratio(samples, millrace.name, kafka.name, 'cpuPerMillion'),
        'throughput, Millrace / Kafka': ratio(samples, millrace.name, kafka.name, 'recordsPerSecond'),
      },
      limitSpread: spread(samples, bare.name),
    }
  } finally {
    await Promise.all([limit.stop(), kafka.stop(), millrace.stop()])
  }
}

const costs = (cpu, gigabytes, count) => ({
  cpuPerGB: cpu.total / gigabytes,
  cpuUserPerGB: cpu.user / gigabytes,
  cpuSystemPerGB: cpu.system / gigabytes,
  cpuPerMillion: (cpu.total * 1e6) / count,
})

/** How far the limit itself moved over the rounds: a run whose limit moved by much says little. */
export function spread(samples, limit) {
  const values = samples[limit].map(sample => sample.cpuPerGB)
  return { min: Math.min(...values), median: medianOf(samples, limit, 'cpuPerGB'), max: Math.max(...values) }
}

const rdkafka = ({ bootstrap, topic, count, sizeBytes }) =>
  rdkafkaProduce({
    bootstrap,
    topic,
    count,
    sizeBytes,
    settings: { 'linger.ms': lingerMs, 'batch.size': batchBytes, 'batch.num.messages': 100_000 },
  })

async function javaProduce({ bootstrap, topic, count, sizeBytes }) {
  const properties = [
    '--command-property',
    `bootstrap.servers=${bootstrap}`,
    'acks=1',
    `linger.ms=${lingerMs}`,
    `batch.size=${batchBytes}`,
  ]
  const args = [
    '--topic',
    topic,
    '--num-records',
    String(count),
    '--record-size',
    String(sizeBytes),
    '--throughput',
    '-1',
    ...properties,
  ]
  const { stdout } = await kafkaTool('org.apache.kafka.tools.ProducerPerformance', args, { timeoutMs: 600_000 })
  const last = [...stdout.matchAll(/([\d.]+) records\/sec \(([\d.]+) MB\/sec\)/g)].at(-1)
  if (!last) throw new Error(`ProducerPerformance said nothing that is understood:\n${stdout.slice(-2000)}`)
  const recordsPerSecond = Number(last[1])
  return {
    seconds: count / recordsPerSecond,
    megabytesPerSecond: (recordsPerSecond * sizeBytes) / 1e6,
    recordsPerSecond,
  }
}
