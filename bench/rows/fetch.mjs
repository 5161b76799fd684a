// Owns row 3: what a fetched byte costs a broker, beside a bare sendfile loop and Apache Kafka; and how near a discarding reader comes to that loop.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { startKafka } from '../opponents/apache-kafka.mjs'
import { limitLoad, startLimit } from '../opponents/limits.mjs'
import { startMillrace } from '../opponents/millrace.mjs'
import { rdkafkaConsume, rdkafkaProduce } from '../opponents/rdkafka.mjs'
import { measureLoad } from '../measured-load.mjs'
import { residentMegabytes } from '../process-cost.mjs'
import { alternate, ratio } from '../rounds.mjs'
import { spread } from './produce.mjs'

const partitions = 6
const sizeBytes = 1024
const topic = 'row3'

export async function fetchRow({ rounds, directory, log, records = 1_500_000 }) {
  const kafka = await startKafka(join(directory, 'kafka'))
  const millrace = await startMillrace(join(directory, 'millrace'))
  const servers = [kafka, millrace]
  try {
    for (const node of servers) {
      log(`filling ${node.name} with ${records} records`)
      const settings = { 'linger.ms': 5, 'batch.size': 262_144, 'batch.num.messages': 100_000 }
      await rdkafkaProduce({ bootstrap: node.bootstrap, topic, count: records, sizeBytes, settings })
    }
    const limit = await startLimit('fetch', {
      logFile: join(directory, 'limit.log'),
      argument: largestSegment(join(directory, 'millrace', 'data')),
    })
    servers.push(limit)
    const bytes = records * sizeBytes
    // librdkafka spreads keyless records by chance: the last few of a partition may be more or fewer than the share.
    const perReader = Math.floor(records * 0.98)
    const consume = (node, readers) => ({
      name: `${node.name}, ${readers} reader${readers > 1 ? 's' : ''}`,
      run: async () => {
        const one = () =>
          rdkafkaConsume({
            bootstrap: node.bootstrap,
            topic,
            partitions: [...Array(partitions).keys()],
            count: readers === 1 ? perReader : Math.floor(perReader / 2),
            settings: { 'enable.auto.commit': false },
          })
        const { result, brokerCpu, clientCpu } = await measureLoad(node.pid, () =>
          Promise.all(Array.from({ length: readers }, one)),
        )
        const total = result.reduce((sum, reader) => sum + reader.bytes, 0) / 1e9
        const seconds = Math.max(...result.map(reader => reader.seconds))
        return {
          ...perGigabyte(brokerCpu, total, seconds),
          clientCpuPerGB: clientCpu.total / total,
          rssPeakMB: residentMegabytes(node.pid).peak,
        }
      },
    })
    const discard = (node, readers) => ({
      name: `${node.name}, discarding reader x ${readers}`,
      run: async () => {
        const { result, brokerCpu } = await measureLoad(node.pid, () =>
          limitLoad('fetch-discard', node.bootstrap, topic, partitions, bytes * 2, readers),
        )
        return perGigabyte(brokerCpu, result.bytes / 1e9, result.seconds)
      },
    })
    const bare = readers => ({
      name: `bare sendfile, ${readers} reader${readers > 1 ? 's' : ''}`,
      run: async () => {
        const { result, brokerCpu } = await measureLoad(limit.pid, () =>
          limitLoad('drain', limit.port, bytes * 2, readers),
        )
        return perGigabyte(brokerCpu, result.bytes / 1e9, result.seconds)
      },
    })
    const counts = [1, 8]
    const contenders = counts.flatMap(readers => [
      bare(readers),
      consume(kafka, readers),
      consume(millrace, readers),
      discard(kafka, readers),
      discard(millrace, readers),
    ])
    const samples = await alternate(contenders, { rounds, warmUp: 1, log })
    const ratios = {}
    for (const [index, readers] of counts.entries()) {
      const [limitName, kafkaName, oursName, kafkaDiscard, oursDiscard] = contenders
        .slice(index * 5, index * 5 + 5)
        .map(contender => contender.name)
      ratios[`cpu-s/GB, Millrace / bare loop, ${readers} reader(s), rdkafka`] = ratio(
        samples,
        oursName,
        limitName,
        'cpuPerGB',
      )
      ratios[`cpu-s/GB, Millrace / Kafka, ${readers} reader(s), rdkafka`] = ratio(
        samples,
        oursName,
        kafkaName,
        'cpuPerGB',
      )
      ratios[`cpu-s/GB, Millrace / bare loop, ${readers} discarding`] = ratio(
        samples,
        oursDiscard,
        limitName,
        'cpuPerGB',
      )
      ratios[`cpu-s/GB, Millrace / Kafka, ${readers} discarding`] = ratio(
        samples,
        oursDiscard,
        kafkaDiscard,
        'cpuPerGB',
      )
      ratios[`GB/s, Millrace / bare loop, ${readers} discarding`] = ratio(
        samples,
        oursDiscard,
        limitName,
        'gigabytesPerSecond',
      )
    }
    return {
      row: '3',
      title: 'fetch 1 KiB records from the page cache, 1 and 8 readers',
      settings: {
        records,
        sizeBytes,
        partitions,
        rounds,
        load: 'rdkafka_performance -C; a discarding reader; the bare loop answers 1 MiB to each 64-byte request',
      },
      samples,
      figures: ['gigabytesPerSecond', 'cpuPerGB', 'cpuUserPerGB', 'cpuSystemPerGB', 'clientCpuPerGB', 'rssPeakMB'],
      ratios,
      limitSpread: spread(samples, contenders[0].name),
    }
  } finally {
    await Promise.all(servers.map(server => server.stop()))
  }
}

const perGigabyte = (cpu, gigabytes, seconds) => ({
  gigabytesPerSecond: gigabytes / seconds,
  cpuPerGB: cpu.total / gigabytes,
  cpuUserPerGB: cpu.user / gigabytes,
  cpuSystemPerGB: cpu.system / gigabytes,
})

function largestSegment(directory) {
  const segments = readdirSync(directory, { recursive: true }).filter(
    path => path.includes(topic) && path.endsWith('.log'),
  )
  const sized = segments.map(path => ({ path: join(directory, path), bytes: statSync(join(directory, path)).size }))
  return sized.sort((a, b) => b.bytes - a.bytes)[0].path
}
