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
  const directory = mkdtempSync(join(tmpdir(), 'millrace-latency-'))
  const file = join(directory, 'latencies')
  try {
    const args = [
      '-P',
      '-q',
      '-l',
      '-A',
      file,
      '-b',
      bootstrap,
      '-t',
      topic,
      '-s',
      sizeBytes,
      '-c',
      count,
      '-r',
      ratePerSecond,
      '-a',
      acks,
    ]
    await runLoad(await rdkafkaPerformance(), [...args, ...flags({ 'linger.ms': 0, ...settings })].map(String))
    const micros = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map(Number)
      .filter(Number.isFinite)
      .sort((a, b) => a - b)
    const at = share => micros[Math.floor((micros.length - 1) * share)]
    return { samples: micros.length, p50Us: at(0.5), p99Us: at(0.99), p999Us: at(0.999) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const flags = settings => Object.entries(settings).flatMap(([key, value]) => ['-X', `${key}=${value}`])
