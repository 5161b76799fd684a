// Owns row 12: what ten thousand partitions and ten thousand idle connections cost: creation, restart, memory, and the latency of a produce that
// goes to another partition each time, beside one partition. A fresh node each round; the loads are those of limits/src/partition_load.rs.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Admin } from '../../dist/client/index.js'
import { formatKafka } from '../opponents/apache-kafka.mjs'
import { limitLoad, startIdleConnections } from '../opponents/limits.mjs'
import { prepareMillrace } from '../opponents/millrace.mjs'
import { portOpens } from '../port-opens.mjs'
import { residentMegabytes } from '../process-cost.mjs'
import { alternate, ratio } from '../rounds.mjs'

/** Two operations of half of them each: a controller makes at most 10,000 records at once. */
const topics = 100
const partitionsPerTopic = 100
const operations = 2
const connections = 9_500
const onePartitionRecords = 10_000
/** Until what a creation leaves behind is collected. */
const settleMs = 4_000
/** The peer needs minutes for 10,000. */
const peerTopics = 20

export async function partitionsRow({ rounds, directory, log, peerRounds = 1 }) {
  const limit = {
    name: `mkdir, ${topics * partitionsPerTopic} times`,
    run: async round => ({
      createMs:
        (await limitLoad('make-directories', join(directory, `bare-${round}`), topics * partitionsPerTopic)).seconds *
        1000,
    }),
  }
  const ours = {
    name: 'Millrace',
    run: round =>
      measured(prepareMillrace(join(directory, `millrace-${round}`)), { topics, isKilled: true, hasConnections: true }),
  }
  const samples = await alternate([limit, ours], { rounds, log })
  const peer = {
    name: `Apache Kafka, ${(peerTopics * partitionsPerTopic).toLocaleString('en')} partitions`,
    run: round =>
      measured(formatKafka(join(directory, `kafka-${round}`)), {
        topics: peerTopics,
        isKilled: true,
        hasConnections: true,
      }),
  }
  Object.assign(samples, await alternate([peer], { rounds: peerRounds, log }))
  return {
    row: '12',
    title: '10,000 partitions and 9,500 idle connections',
    settings: {
      rounds,
      peerRounds,
      partitions: `${topics} topics of ${partitionsPerTopic}, created by ${operations} requests`,
      'create ms': 'from the request to its answer, both requests',
      'first touch': 'one record to each partition in turn, acks=1',
      latency: `one connection, one record of 100 B in flight, acks=1; one partition: ${onePartitionRecords} records; many: one to each, the second time round`,
      restart:
        'from the start of the process to the first acknowledged record, after a clean stop and after kill -9 with a record in each partition',
      memory: 'growth of the resident set; opener: ApiVersions, then silence',
    },
    samples,
    figures: [
      'createMs',
      'restartMs',
      'killedRestartMs',
      'kilobytesPerPartition',
      'kilobytesPerConnection',
      'firstTouchP99Us',
      'oneP99Us',
      'manyP99Us',
      'manyOverOneP99',
    ],
    ratios: { 'p99, many / one partition': ratioOfFigures(samples[ours.name], 'manyP99Us', 'oneP99Us') },
  }
}

const ratioOfFigures = (samples, above, below) =>
  ratio(
    { samples: samples.map(sample => ({ a: sample[above] })), base: samples.map(sample => ({ a: sample[below] })) },
    'samples',
    'base',
    'a',
  )

async function measured(preparing, { topics: count, isKilled, hasConnections }) {
  const node = await preparing
  const address = `127.0.0.1:${node.port}`
  const partitions = count * partitionsPerTopic
  const roundRobin = (prefix, width, per, records, acks = 1) =>
    limitLoad('round-robin', address, prefix, width, per, acks, records)
  const one = () => roundRobin('one', 1, 1, onePartitionRecords)
  const many = () => roundRobin('many', count, partitionsPerTopic, partitions)
  const figures = {}
  let server = await node.start()
  const admin = new Admin({ bootstrapServers: node.bootstrap })
  try {
    await create(admin, [{ name: 'one-0', partitions: 1 }])
    await one()
    const memory = () => residentMegabytes(server.pid).now * 1024
    const before = memory()
    const names = Array.from({ length: count }, (_, at) => ({ name: `many-${at}`, partitions: partitionsPerTopic }))
    const started = performance.now()
    const each = Math.ceil(count / operations)
    for (let at = 0; at < count; at += each) await create(admin, names.slice(at, at + each))
    figures.createMs = performance.now() - started
    await sleep(settleMs)
    figures.kilobytesPerPartition = (memory() - before) / partitions
    figures.firstTouchP99Us = (await many()).p99Us
    await one()
    figures.oneP99Us = (await one()).p99Us
    figures.manyP99Us = (await many()).p99Us
    figures.manyOverOneP99 = figures.manyP99Us / figures.oneP99Us
    if (hasConnections) {
      const unconnected = memory()
      const opener = await startIdleConnections(address, connections)
      await sleep(settleMs / 2)
      figures.kilobytesPerConnection = (memory() - unconnected) / connections
      await opener.stop()
    }
    const restart = async signal => {
      await server.stop(signal)
      const restarted = performance.now()
      const starting = node.start()
      await portOpens(node.port)
      await roundRobin('many', 1, 1, 1)
      const ms = performance.now() - restarted
      server = await starting
      return ms
    }
    figures.restartMs = await restart('SIGTERM')
    if (isKilled) {
      await many()
      figures.killedRestartMs = await restart('SIGKILL')
    }
    return figures
  } finally {
    await admin.close()
    await server.stop('SIGKILL')
  }
}

async function create(admin, topicsToMake) {
  const results = await admin.createTopics(topicsToMake, { timeoutMs: 300_000 })
  const failed = results.find(({ error }) => error !== null)
  if (failed) throw failed.error
}
