// A disk that fails while a broker starts on what a crash left. A first start is traced; then each kind of call that it made on each file is
// made to fail, on the same data. The broker either serves, or ends by itself and says where; what it serves is right; and once the disk
// is well, all that was acknowledged is there. MILLRACE_INJECTED_CALLS beyond 1 tries them all (npm run faults -- failed-start).
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from '../clients/broker-process.ts'
import { kafkaAdmin } from '../clients/topics.ts'
import { type Acknowledged, acknowledgedAtLeast, startLoad } from './acknowledged-load.ts'
import { pause } from './producers.ts'
import { isThere, readTopic } from './verdict.ts'

const isLong = Number(process.env.MILLRACE_INJECTED_CALLS ?? 1) > 1
const topic = 'started'
/** What a short run takes of all cases: enough to hit most kinds of file. */
const shortCases = 4
/** A broker that has neither served nor ended by then hangs. */
const patienceMs = 30_000

let broker: BrokerProcess | undefined
const directory = mkdtempSync(join(tmpdir(), 'millrace-faults-'))
afterEach(async () => {
  await broker?.stop('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

const trace = join(directory, 'strace.out')
/** How many calls failed in the last start under strace. */
const injected = () => readFileSync(trace, 'utf8').match(/INJECTED/g)?.length ?? 0

const strace = ['strace', '-D', '-f', '-qq', '-o', trace]
const learning = [...strace, '-y', '--trace=%file,%desc']
const failing = ({ call, path }: Case) => [...strace, '-P', path, `--trace=${call}`, '-e', `inject=${call}:error=EIO`]

interface Case {
  readonly call: string
  readonly path: string
}

/** What a start under `learning` did to the files of a directory, each kind of call on each file once. */
function callsOn(data: string): Case[] {
  const cases = new Map<string, Case>()
  for (const line of readFileSync(trace, 'utf8').split('\n')) {
    const call = /^\d+ +(\w+)\(/.exec(line)?.[1]
    const path = /[<"]([^">]*)/g
    for (const [, name = ''] of line.matchAll(path))
      if (call !== undefined && name.startsWith(data) && !harmless.has(call))
        cases.set(`${call} ${name}`, { call, path: name })
  }
  return [...cases.values()]
}

/** Calls that nobody can do anything about, or that never fail so. */
const harmless = new Set(['close', 'fcntl', 'lseek', 'epoll_ctl', 'flock'])

test('whatever call fails while a broker starts, nothing wrong is served and nothing is lost', {
  timeout: isLong ? 3_600_000 : 180_000,
}, async () => {
  const data = join(directory, 'data')
  const started = await startBrokerProcess({ 'log.dirs': data, 'log.flush.offset.checkpoint.interval.ms': 50 })
  broker = started
  const { bootstrap } = started
  const configEntries = [
    { name: 'internal.segment.bytes', value: '262144' },
    { name: 'index.interval.bytes', value: '4096' },
  ]
  await kafkaAdmin(bootstrap, admin =>
    admin.createTopics({ topics: [{ topic, numPartitions: 2, replicationFactor: 1, configEntries }] }),
  )
  const load = await startLoad({
    bootstrap,
    topic,
    partitions: [0, 1],
    valueBytes: 2000,
    recordsPerSend: 10,
    name: 's',
  })
  await acknowledgedAtLeast(load, 400)
  await started.stop('SIGKILL')
  await load.stop()

  const crashed = join(directory, 'crashed')
  cpSync(data, crashed, { recursive: true })
  const restore = () => {
    rmSync(data, { recursive: true })
    cpSync(crashed, data, { recursive: true })
  }
  await started.restart(learning)
  await readTopic({ bootstrap, topic })
  await started.stop('SIGKILL')
  const cases = callsOn(data)
  const step = isLong ? 1 : cases.length / shortCases
  const totals: Totals = { runs: 0, failedCalls: 0, served: 0, ended: 0 }
  const metadataLog = join(data, '__cluster_metadata-0')
  const complaints: string[] = []
  for (let at = 0; at < cases.length; at += step) {
    const next = cases[Math.floor(at)]
    if (next === undefined) break
    const { path, call } = next
    restore()
    const name = `${call} on ${path.slice(data.length + 1)}`
    totals.runs += 1
    const how = await Promise.race([
      started.restart(failing(next)).then(
        () => 'served',
        () => 'ended',
      ),
      pause(patienceMs).then(() => 'hung'),
    ])
    if (how === 'served') {
      totals.served += 1
      // A partition that could not be opened gives nothing; what is given is right.
      const contents = await readTopic({ bootstrap, topic }, 2000).catch(() => new Map<number, Map<number, string>>())
      const isWrong = ({ partition, offset, value }: Acknowledged) =>
        (contents.get(partition)?.get(offset) ?? value) !== value
      if (load.acknowledged.some(isWrong)) complaints.push(`${name}: wrong records were served`)
      await started.stop('SIGKILL')
    } else if (how === 'ended') {
      totals.ended += 1
      const status = await started.ended()
      if (typeof status !== 'number' || status === 0) complaints.push(`${name}: ended with ${status}`)
      // The file, or the directory that cannot be used without it.
      if (
        !started.output.includes(path.startsWith(metadataLog) ? data : dirname(path)) ||
        started.output.includes('panicked')
      )
        complaints.push(`${name}: ended without saying where: ${started.output.trim()}`)
    } else {
      complaints.push(`${name}: neither served nor ended`)
      await started.stop('SIGKILL')
    }
    if (injected() > 0) totals.failedCalls += 1
    await started.restart()
    const contents = await readTopic({ bootstrap, topic })
    if (!load.acknowledged.every(record => isThere(contents, record))) complaints.push(`${name}: records are lost`)
    await started.stop('SIGKILL')
    if (isLong && totals.runs % 20 === 0) report(totals, cases.length, complaints)
  }
  report(totals, cases.length, complaints)
  expect(complaints).toEqual([])
  expect(totals.failedCalls).toBeGreaterThan(0)
})

interface Totals {
  runs: number
  /** Runs in which the start came to the call that was to fail. */
  failedCalls: number
  served: number
  ended: number
}

const report = (totals: Totals, of: number, complaints: readonly string[]) =>
  process.stdout.write(
    `failed starts: ${totals.runs} of ${of} cases, ${totals.failedCalls} with a failed call, ${totals.served} served, ${totals.ended} ended by themselves, ${complaints.length} complaints\n${complaints.map(each => `  ${each}\n`).join('')}`,
  )
