// Owns row 11: from the start of a process that follows a kill -9 under load to the first acknowledged record, with a gibibyte in the active segment,
// all of it behind the recovery point, and more or less in closed ones. Every sample is a fresh directory.
import { spawn } from 'node:child_process'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Admin } from '../../dist/client/index.js'
import { formatKafka } from '../opponents/apache-kafka.mjs'
import { limitLoad } from '../opponents/limits.mjs'
import { prepareMillrace } from '../opponents/millrace.mjs'
import { rdkafkaProduce } from '../opponents/rdkafka.mjs'
import { rdkafkaPerformance } from '../../test/clients/toolbox/rdkafka.mjs'
import { portOpens } from '../port-opens.mjs'
import { alternate, median, ratio } from '../rounds.mjs'

const topic = 'row11-0'
const segmentBytes = 1 << 30
const sizeBytes = 1_000
/** With what batches add, just under one segment. */
const count = 1_000_000

export async function recoveryRow({ rounds, directory, log, peerRounds = 1 }) {
  const node = (name, prepare, closed, acks) => ({
    name,
    run: async round => {
      const home = join(directory, `sample-${round}`)
      try {
        return await killedAndStarted(await prepare(home), { data: join(home, 'data'), closed, acks })
      } finally {
        rmSync(home, { recursive: true, force: true })
      }
    },
  })
  const ours = (closed, acks) =>
    node(`Millrace, ${closed} GiB closed${acks === 1 ? ', acks=1' : ''}`, prepareMillrace, closed, acks)
  const contenders = [ours(1, -1), ours(10, -1), ours(20, -1), ours(10, 1)]
  const samples = await alternate(contenders, { rounds, log })
  const kafka = node('Apache Kafka 4.3.1, 10 GiB closed', formatKafka, 10, -1)
  Object.assign(samples, await alternate([kafka], { rounds: peerRounds, log }))
  const [few, some, many] = contenders.map(({ name }) => name)
  return {
    row: '11',
    title: 'kill -9 under load with 1 GiB in the active segment: start to first acknowledged record',
    settings: {
      rounds,
      peerRounds,
      active: `${count.toLocaleString('en')} records of ${sizeBytes} B by rdkafka_performance, acks=all with sync unless said, then killed under a second load`,
      closed: 'segments of 1 GiB, sound batches of 1 MiB',
      'page cache': 'warm',
      'scan ms': 'limit: reading the same active segment and computing its CRC-32C',
    },
    samples,
    figures: ['firstAckMs', 'scanMs', 'activeGiB'],
    ratios: {
      'first ack, 20 GiB / 1 GiB closed': ratio(samples, many, few, 'firstAckMs'),
      'first ack, 10 GiB / 1 GiB closed': ratio(samples, some, few, 'firstAckMs'),
    },
    differences: {
      'first ack over scan, 10 GiB closed, ms': rangeOf(samples[some].map(sample => sample.firstAckMs - sample.scanMs)),
    },
  }
}

const rangeOf = values => ({ median: median(values), min: Math.min(...values), max: Math.max(...values) })

async function killedAndStarted(node, { data, closed, acks }) {
  const address = `127.0.0.1:${node.port}`
  const partition = join(data, `${topic}-0`)
  let server = await node.start()
  const admin = new Admin({ bootstrapServers: node.bootstrap })
  try {
    const [created] = await admin.createTopics([{ name: topic, partitions: 1 }])
    if (created.error) throw created.error
    await admin.close()
    await server.stop()
    await limitLoad('segments', partition, closed, segmentBytes)
    // Once more in order: the checkpoints now speak of what lies there.
    server = await node.start()
    await rdkafkaProduce({ bootstrap: node.bootstrap, topic, count: 1, sizeBytes, acks: -1 })
    await server.stop()
    server = await node.start()
    await rdkafkaProduce({ bootstrap: node.bootstrap, topic, count, sizeBytes, acks, settings: { 'linger.ms': 5 } })
    const args = ['-P', '-q', '-b', node.bootstrap, '-t', topic, '-s', sizeBytes, '-c', count, '-r', 2000, '-a', acks]
    const load = spawn(await rdkafkaPerformance(), args.map(String), { stdio: 'ignore' })
    await sleep(500)
    await server.stop('SIGKILL')
    load.kill('SIGKILL')
    const started = performance.now()
    const starting = node.start()
    await portOpens(node.port)
    await limitLoad('round-robin', address, 'row11', 1, 1, -1, 1)
    const firstAckMs = performance.now() - started
    server = await starting
    const active = readdirSync(partition)
      .filter(name => name.endsWith('.log'))
      .sort()
      .at(-1)
    const { size } = statSync(join(partition, active))
    const { seconds } = await limitLoad('scan', join(partition, active))
    return { firstAckMs, scanMs: seconds * 1000, activeGiB: size / 2 ** 30 }
  } finally {
    await server.stop('SIGKILL')
  }
}
