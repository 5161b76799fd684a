// A disk that fails while a broker starts on what a crash left: for each file of the data directory and each kind of call on it, the broker
// either serves, or ends by itself and names the file; what it serves is right; and once the disk is well, all that was acknowledged is there.
// MILLRACE_INJECTED_CALLS beyond 1 tries every file with every call (npm run faults -- failed-start).
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from '../clients/broker-process.ts'
import { kafkaAdmin } from '../clients/topics.ts'
import { acknowledgedAtLeast, startLoad } from './acknowledged-load.ts'
import { pause } from './producers.ts'
import { isThere, readTopic } from './verdict.ts'

const isLong = Number(process.env.MILLRACE_INJECTED_CALLS ?? 1) > 1
const topic = 'started'
/** What a short run takes of all cases: enough to hit most kinds of file. */
const shortCases = 6
/** A broker that has neither served nor ended by then hangs. */
const patienceMs = 30_000

const calls = ['openat', 'pread64', 'pwrite64', 'ftruncate', 'fdatasync', 'fsync', 'rename', 'unlink'] as const

let broker: BrokerProcess | undefined
const directory = mkdtempSync(join(tmpdir(), 'millrace-faults-'))
afterEach(async () => {
  await broker?.stop('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

const underStrace = (path: string, call: string) => {
  const inject = `inject=${call}:error=EIO`
  return ['strace', '-D', '-f', '-qq', '-o', join(directory, 'strace.out'), '-P', path, `--trace=${call}`, '-e', inject]
}

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

  const files = readdirSync(data, { recursive: true, withFileTypes: true })
    .filter(entry => !entry.isDirectory() || entry.name.startsWith(topic))
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
  const cases = files.flatMap(path => calls.map(call => ({ path, call })))
  const step = isLong ? 1 : Math.ceil(cases.length / shortCases)
  const totals = { runs: 0, served: 0, ended: 0 }
  for (let at = isLong ? 0 : 3; at < cases.length; at += step) {
    const { path, call } = cases[at] ?? { path: '', call: '' }
    const name = `${call} on ${path.slice(data.length + 1)}`
    totals.runs += 1
    const how = await Promise.race([
      started.restart(underStrace(path, call)).then(
        () => 'served',
        () => 'ended',
      ),
      pause(patienceMs).then(() => 'hung'),
    ])
    expect({ name, how }).not.toEqual({ name, how: 'hung' })
    if (how === 'served') {
      totals.served += 1
      // A partition that could not be opened gives nothing; what is given is right.
      const contents = await readTopic({ bootstrap, topic }).catch(() => new Map<number, Map<number, string>>())
      const wrong = load.acknowledged.filter(record => {
        const found = contents.get(record.partition)?.get(record.offset)
        return found !== undefined && found !== record.value
      })
      expect({ name, wrong }).toEqual({ name, wrong: [] })
      await started.stop('SIGKILL')
    } else {
      totals.ended += 1
      expect(await started.ended(), `${name}:\n${started.output}`).toBeGreaterThan(0)
      expect(started.output, name).toContain(path.split('/').at(-1))
      expect(started.output, name).not.toMatch(/panicked/)
    }
    await started.restart()
    const contents = await readTopic({ bootstrap, topic })
    const lost = load.acknowledged.filter(record => !isThere(contents, record))
    expect({ name, lost }).toEqual({ name, lost: [] })
    await started.stop('SIGKILL')
    if (isLong && totals.runs % 20 === 0) report(totals, cases.length)
  }
  report(totals, cases.length)
})

const report = (totals: { runs: number; served: number; ended: number }, of: number) =>
  process.stdout.write(
    `failed starts: ${totals.runs} of ${of} cases, ${totals.served} served, ${totals.ended} ended by themselves, 0 wrong, 0 lost\n`,
  )
