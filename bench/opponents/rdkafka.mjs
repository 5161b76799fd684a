// Owns librdkafka's load generator as the client of the rows: what it is told and how its figures are read.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rdkafkaPerformance } from '../../test/clients/toolbox/rdkafka.mjs'
import { runLoad } from './child.mjs'

/** Produces `count` records of `sizeBytes`; returns seconds, MB/s (10^6) and records a second. */
export async function rdkafkaProduce({ bootstrap, topic, count, sizeBytes, acks = 1, settings = {} }) {
  const args = ['-P', '-q', '-b', bootstrap, '-t', topic, '-s', sizeBytes, '-c', count, '-a', acks, ...flags(settings)]
  const { stdout, stderr } = await runLoad(await rdkafkaPerformance(), args.map(String))
  const text = stdout + stderr
  const line = [
    ...text.matchAll(
      /(\d+) messages produced \((\d+) bytes\), (\d+) delivered \(offset -?\d+, (\d+) failed\) in (\d+)ms/g,
    ),
  ].at(-1)
  if (!line) throw new Error(`rdkafka_performance said nothing that is understood:\n${text.slice(-2000)}`)
  const [, produced, bytes, delivered, failed, ms] = line.map(Number)
  if (failed > 0 || delivered < count) throw new Error(`${failed} of ${produced} records failed`)
  return { seconds: ms / 1000, megabytesPerSecond: bytes / 1000 / ms, recordsPerSecond: (delivered * 1000) / ms }
}

/** Consumes `count` records from the beginning of all partitions. */
export async function rdkafkaConsume({ bootstrap, topic, partitions, count, settings = {} }) {
  const chosen = partitions.flatMap(partition => ['-p', partition])
  const args = ['-C', '-q', '-b', bootstrap, '-t', topic, ...chosen, '-o', 'beginning', '-c', count, ...flags(settings)]
  const { stdout, stderr } = await runLoad(await rdkafkaPerformance(), args.map(String))
  const text = stdout + stderr
  const line = [...text.matchAll(/(\d+) messages \((\d+) bytes\) consumed in (\d+)ms/g)].at(-1)
  if (!line) throw new Error(`rdkafka_performance said nothing that is understood:\n${text.slice(-2000)}`)
  const [, consumed, bytes, ms] = line.map(Number)
  return { seconds: ms / 1000, bytes, megabytesPerSecond: bytes / 1000 / ms, recordsPerSecond: (consumed * 1000) / ms }
}

/** Produces at a fixed rate and returns the acknowledgement latency in µs, one sample a record (open loop). */
export async function rdkafkaLatency({ bootstrap, topic, count, sizeBytes, ratePerSecond, acks = 1, settings = {} }) {
  return summaryOf(await latencies({ bootstrap, topic, count, sizeBytes, ratePerSecond, acks, settings }))
}

/** The same from several producers at once, each a process with this count and rate, acks=all; one summary of all their records. */
export async function rdkafkaLatencyOfMany({ bootstrap, topic, producers, count, sizeBytes, ratePerSecond }) {
  const each = () => latencies({ bootstrap, topic, count, sizeBytes, ratePerSecond, acks: -1, settings: {} })
  return summaryOf((await Promise.all(Array.from({ length: producers }, each))).flat())
}

/** Several producers at once, each with one record in flight: acknowledged records a second, from the first to the last of all. */
export async function rdkafkaSaturated({ bootstrap, topic, producers, count, sizeBytes }) {
  const settings = { 'linger.ms': 0, 'batch.num.messages': 1, 'max.in.flight': 1 }
  const started = performance.now()
  const each = () => rdkafkaProduce({ bootstrap, topic, count, sizeBytes, acks: -1, settings })
  const runs = await Promise.all(Array.from({ length: producers }, each))
  const seconds = (performance.now() - started) / 1000
  return { seconds, recordsPerSecond: runs.reduce((sum, run) => sum + run.recordsPerSecond, 0) }
}

async function latencies({ bootstrap, topic, count, sizeBytes, ratePerSecond, acks, settings }) {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-latency-'))
  const file = join(directory, 'latencies')
  try {
    const where = ['-A', file, '-b', bootstrap, '-t', topic]
    const what = ['-s', sizeBytes, '-c', count, '-r', ratePerSecond, '-a', acks]
    const args = ['-P', '-q', '-l', ...where, ...what, ...flags({ 'linger.ms': 0, ...settings })]
    await runLoad(await rdkafkaPerformance(), args.map(String))
    return readFileSync(file, 'utf8').trim().split('\n').map(Number).filter(Number.isFinite)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function summaryOf(micros) {
  micros.sort((a, b) => a - b)
  const at = share => micros[Math.floor((micros.length - 1) * share)]
  return { samples: micros.length, p50Us: at(0.5), p99Us: at(0.99), p999Us: at(0.999) }
}

const flags = settings => Object.entries(settings).flatMap(([key, value]) => ['-X', `${key}=${value}`])
