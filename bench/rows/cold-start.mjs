// Owns row 10: from starting the process to its first answered Metadata request, and memory when idle, beside Node alone and Apache Kafka.
import { connect } from 'node:net'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatKafka } from '../opponents/apache-kafka.mjs'
import { prepareMillrace } from '../opponents/millrace.mjs'
import { residentMegabytes } from '../process-cost.mjs'
import { alternate, median, ratio } from '../rounds.mjs'

const idleMs = 2_000
// Metadata v1 for no topics: size, key 3, version 1, correlation id 1, client id null, empty topic array.
const metadataRequest = Buffer.from([0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0])

export async function coldStartRow({ rounds, directory, log }) {
  const kafka = await formatKafka(join(directory, 'kafka'))
  const millrace = await prepareMillrace(join(directory, 'millrace'))
  const broker = node => ({
    name: node.name,
    run: async () => {
      const started = performance.now()
      const starting = node.start()
      const readyMs = (await firstMetadata(node.port)) - started
      const server = await starting
      await sleep(idleMs)
      const { now: idleRssMB } = residentMegabytes(server.pid)
      await server.stop()
      return { readyMs, idleRssMB }
    },
  })
  const node = {
    name: 'node, no program',
    run: async () => {
      const started = performance.now()
      const child = spawn(process.execPath, ['-e', 'process.stdout.write("up"); setInterval(() => {}, 1e9)'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      await new Promise(done => child.stdout.once('data', done))
      const readyMs = performance.now() - started
      await sleep(idleMs)
      const { now: idleRssMB } = residentMegabytes(child.pid)
      const ended = new Promise(done => child.on('exit', done))
      child.kill()
      await ended
      return { readyMs, idleRssMB }
    },
  }
  const samples = await alternate([node, broker(kafka), broker(millrace)], { rounds, warmUp: 1, log })
  const over = samples[millrace.name].map((sample, round) => sample.readyMs - samples[node.name][round].readyMs)
  const overRss = samples[millrace.name].map((sample, round) => sample.idleRssMB - samples[node.name][round].idleRssMB)
  return {
    row: '10',
    title: 'cold start to first Metadata answer, and idle memory',
    settings: {
      rounds,
      data: 'formatted and empty; Millrace: the directory of the warm-up round',
      load: 'a Metadata request retried every 1 ms',
    },
    samples,
    figures: ['readyMs', 'idleRssMB'],
    ratios: {
      'time, Millrace / Kafka': ratio(samples, millrace.name, kafka.name, 'readyMs'),
      'memory, Millrace / Kafka': ratio(samples, millrace.name, kafka.name, 'idleRssMB'),
    },
    differences: {
      'ready, Millrace over node, ms': { median: median(over), min: Math.min(...over), max: Math.max(...over) },
      'idle RSS, Millrace over node, MB': {
        median: median(overRss),
        min: Math.min(...overRss),
        max: Math.max(...overRss),
      },
    },
  }
}

/** Time (performance.now) of the first answered Metadata request. */
async function firstMetadata(port) {
  for (;;) {
    const answered = await new Promise(done => {
      const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(metadataRequest))
      socket.once('data', () => {
        const at = performance.now()
        socket.destroy()
        done(at)
      })
      socket.on('error', () => done(undefined))
      socket.on('close', () => done(undefined))
    })
    if (answered !== undefined) return answered
    await sleep(1)
  }
}
