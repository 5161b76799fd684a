// A disk that answers with errors: a failed fdatasync takes its log directory offline for good and no other, a broker without its metadata
// log stops and says why, and whatever call fails whenever, nothing acknowledged is lost.
// MILLRACE_INJECTED_CALLS sets how many calls of each kind are made to fail, one a run (npm run faults -- failed-disk --cycles 20).
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from '../clients/broker-process.ts'
import { kafkaAdmin } from '../clients/topics.ts'
import { acknowledgedAtLeast, type Load, lostOf, readFrom, startLoad } from './acknowledged-load.ts'
import { type Injection, Injector } from './injection.ts'
import { follow } from './readers.ts'
import { isThere } from './verdict.ts'

const sweep = Number(process.env.MILLRACE_INJECTED_CALLS ?? 1)
/** Exit status of a broker whose data directory failed. */
const DATA_DIRECTORY = 6
/** Injected errors must reach the calls, which io_uring hides from strace. */
const plain = { 'log.flush.offset.checkpoint.interval.ms': 50 }

let broker: BrokerProcess | undefined
const directories: string[] = []
afterEach(async () => {
  await broker?.stop('SIGKILL')
  broker = undefined
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-faults-'))
  directories.push(directory)
  return directory
}

async function withTopic(overrides: Record<string, string | number>, partitions: number): Promise<BrokerProcess> {
  const started = await startBrokerProcess({ ...plain, ...overrides })
  broker = started
  const topics = [{ topic: 'faulty', numPartitions: partitions, replicationFactor: 1 }]
  await kafkaAdmin(started.bootstrap, admin => admin.createTopics({ topics }))
  return started
}

const produce = (started: BrokerProcess, partitions: readonly number[], name: string): Promise<Load> =>
  startLoad({ bootstrap: started.bootstrap, topic: 'faulty', partitions, valueBytes: 100, recordsPerSend: 5, name })

async function refusedAtLeast(load: Load, count: number): Promise<void> {
  const deadline = Date.now() + 20_000
  while ([...load.refused.values()].reduce((sum, one) => sum + one, 0) < count) {
    if (Date.now() > deadline) throw new Error(`refused: ${JSON.stringify([...load.refused])}`)
    await new Promise(done => setTimeout(done, 5))
  }
}

/** The log is written a moment after what it tells of. */
async function printed(started: BrokerProcess, line: RegExp): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!line.test(started.output) && Date.now() < deadline) await new Promise(done => setTimeout(done, 10))
  expect(started.output).toMatch(line)
}

test('a failed fdatasync takes its log directory offline, and the others serve on', async () => {
  const [first, second] = [newDirectory(), newDirectory()]
  const started = await withTopic({ 'log.dirs': `${first},${second}` }, 6)
  const inSecond = [0, 1, 2, 3, 4, 5].filter(index => existsSync(join(second, `faulty-${index}`)))
  const inFirst = [0, 1, 2, 3, 4, 5].filter(index => !inSecond.includes(index))
  expect(inSecond.length).toBeGreaterThan(1)
  expect(inFirst.length).toBeGreaterThan(1)
  const load = await produce(started, [0, 1, 2, 3, 4, 5], 'a')
  await acknowledgedAtLeast(load, 200)
  const victim = join(second, `faulty-${inSecond[0]}`, '00000000000000000000.log')
  const injector = await Injector.attach(started.pid, { call: 'fdatasync', error: 'EIO', when: '1', paths: [victim] })
  await refusedAtLeast(load, 20)
  await injector.detach()
  expect(injector.injected).toBeGreaterThan(0)
  await load.stop()
  // The disk is well again; the directory stays offline all the same, with all that lies in it.
  const healthy = await produce(started, inFirst, 'b')
  const offline = await produce(started, inSecond, 'c')
  await acknowledgedAtLeast(healthy, 200)
  await refusedAtLeast(offline, 5)
  await healthy.stop()
  await offline.stop()
  expect(offline.acknowledged).toEqual([])
  expect([...offline.refused.keys()]).toEqual(['KAFKA_STORAGE_ERROR'])
  const { topics } = await kafkaAdmin(started.bootstrap, admin => admin.fetchTopicMetadata({ topics: ['faulty'] }))
  const offlineReplicas = topics[0]?.partitions.filter(each => (each.offlineReplicas ?? []).length > 0)
  expect(offlineReplicas?.map(each => each.partitionId).sort()).toEqual(inSecond)
  await printed(started, new RegExp(`the log directory ${second} failed`))
  await started.stop('SIGKILL')
  await started.restart()
  const acknowledged = [...load.acknowledged, ...healthy.acknowledged]
  expect(await lostOf(started.bootstrap, 'faulty', acknowledged)).toEqual([])
})

test('a broker whose metadata directory fails stops and says why', async () => {
  const started = await withTopic({}, 1)
  const load = await produce(started, [0], 'a')
  await acknowledgedAtLeast(load, 50)
  const injector = await Injector.attach(started.pid, { call: 'fdatasync', error: 'EIO', when: '1+' })
  const status = await started.ended()
  await injector.detach()
  await load.stop()
  expect(status).toBe(DATA_DIRECTORY)
  await printed(started, /log directory .* failed, and it holds the metadata log: cannot sync faulty-0/)
  await started.restart()
  expect(await lostOf(started.bootstrap, 'faulty', load.acknowledged)).toEqual([])
})

test('a metadata log that cannot be synced stops the broker', async () => {
  const started = await withTopic({}, 1)
  const paths = [join(started.dataDirectory, '__cluster_metadata-0', '00000000000000000000.log')]
  const injector = await Injector.attach(started.pid, { call: 'fdatasync', error: 'EIO', when: '1+', paths })
  // The broker goes while it is asked: whether an answer still comes is not what is tested.
  await kafkaAdmin(started.bootstrap, admin => admin.createTopics({ topics: [{ topic: 'never' }] })).catch(() => {})
  const status = await started.ended()
  await injector.detach()
  expect(status).toBe(DATA_DIRECTORY)
  await printed(started, /metadata log cannot be written/)
  await started.restart()
  expect(await kafkaAdmin(started.bootstrap, admin => admin.listTopics())).toContain('faulty')
})

const kinds: readonly Pick<Injection, 'call' | 'error'>[] = [
  ...(['pwrite64', 'pwritev', 'fdatasync', 'fsync', 'rename', 'open', 'ftruncate', 'fallocate'] as const).flatMap(
    call => (['EIO', 'ENOSPC'] as const).map(error => ({ call, error })),
  ),
  { call: 'unlink', error: 'EIO' },
  { call: 'pread64', error: 'EIO' },
  { call: 'sendfile', error: 'EIO' },
  { call: 'pwritev', error: 'nothing' },
  { call: 'pwrite64', error: 'nothing' },
]
/** A short run takes each call once, by turns with one error and the other. */
const chosen = sweep > 1 ? kinds : kinds.filter((_, index) => index >= 16 || index % 2 === (index >> 1) % 2)
const injections: Injection[] = chosen.flatMap(kind =>
  Array.from({ length: sweep }, (_, index) => ({ ...kind, when: String(index + 1) })),
)

test(`${injections.length} injected errors lose nothing that was acknowledged`, {
  timeout: 60_000 + injections.length * 10_000,
}, async () => {
  const totals = { injected: 0, stopped: 0, acknowledged: 0, lost: 0, shown: 0, takenBack: 0, recovered: 0 }
  const started = await withTopic({ 'log.segment.bytes': 1024 * 1024 }, 3)
  const { bootstrap } = started
  for (const [index, injection] of injections.entries()) {
    const load = await startLoad({
      bootstrap,
      topic: 'faulty',
      partitions: [0, 1, 2],
      valueBytes: 4000,
      recordsPerSend: 10,
      name: `s${index}`,
    })
    await acknowledgedAtLeast(load, 30)
    const from = load.acknowledged.find(record => record.partition === 0)?.offset ?? 0
    const follower = await follow({ bootstrap, topic: 'faulty', partition: 0, from })
    let hasStopped = false
    const ended = started.ended().then(() => {
      hasStopped = true
    })
    const injector = await Injector.attach(started.pid, injection)
    await Promise.race([ended, new Promise(done => setTimeout(done, 300))])
    await injector.detach()
    const before = load.acknowledged.length
    if (injection.error === 'ENOSPC' && !hasStopped && !['fdatasync', 'fsync'].includes(injection.call)) {
      // One full disk later there is space again, and everybody goes on.
      await acknowledgedAtLeast(load, before + 30)
      totals.recovered += 1
    }
    totals.stopped += hasStopped ? 1 : 0
    await started.stop('SIGKILL')
    await load.stop()
    await follower.stop()
    await started.restart()
    const end = new Map<number, Map<number, string>>()
    end.set(0, await readFrom(bootstrap, 'faulty', 0, from))
    totals.shown += follower.shown.length
    totals.takenBack += follower.shown.filter(record => !isThere(end, record)).length
    totals.injected += injector.injected
    totals.acknowledged += load.acknowledged.length
    totals.lost += (await lostOf(bootstrap, 'faulty', load.acknowledged)).length
    if ((index + 1) % 25 === 0 || index + 1 === injections.length)
      process.stdout.write(
        `injected errors: ${index + 1} of ${injections.length} runs, ${totals.injected} failed calls, ${totals.stopped} stops, ${totals.recovered} went on after a full disk; ` +
          `${totals.acknowledged} acknowledged, ${totals.lost} lost; ${totals.shown} shown to a reader, ${totals.takenBack} taken back\n`,
      )
  }
  expect([totals.lost, totals.takenBack]).toEqual([0, 0])
})
