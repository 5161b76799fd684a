// `millrace start` as a process: what it prints, how it stops, and one line with a status of its own for each mistake.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ErrorCode, encodeRequestFrame, fetch, joinGroup, metadata, offsetCommit, offsetFetch } from '#protocol'
import { fetchFrom, produceTo } from './records.ts'
import { WireClient } from './wire-client.ts'

const main = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.cjs')
let directory: string
const children: ChildProcess[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-start-'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

interface Run {
  readonly child: ChildProcess
  /** Resolves with the first line that matches, or fails when the process ends first. */
  line(pattern: RegExp): Promise<string>
  readonly ended: Promise<{ status: number | null; stdout: string; stderr: string }>
}

function millrace(...args: string[]): Run {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'], cwd: directory })
  children.push(child)
  let stdout = ''
  let stderr = ''
  const watchers: (() => void)[] = []
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
    for (const watch of watchers) watch()
  })
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const ended = new Promise<{ status: number | null; stdout: string; stderr: string }>(resolve => {
    child.once('close', status => resolve({ status, stdout, stderr }))
  })
  const line = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const watch = (): void => {
        const found = stdout.split('\n').find(text => pattern.test(text))
        if (found !== undefined) resolve(found)
      }
      watchers.push(watch)
      watch()
      void ended.then(({ status }) => reject(new Error(`ended with ${status}: ${stderr}`)))
    })
  return { child, line, ended }
}

const at = (port: number): string[] => ['--override', `listeners=PLAINTEXT://127.0.0.1:${port}`]
const data = (name = 'data'): string[] => ['--override', `log.dirs=${join(directory, name)}`]

test('it says where it listens, where the data is, how long it took and what to try', async () => {
  const run = millrace('start', ...at(0), ...data())
  expect(await run.line(/ready in \d+ ms/)).toMatch(/^Millrace is ready in/)
  expect(await run.line(/listening on/)).toMatch(/127\.0\.0\.1:\d+ \(PLAINTEXT\)/)
  expect(await run.line(/data in/)).toContain(join(directory, 'data'))
  expect(await run.line(/produce/)).toMatch(/millrace produce/)
  expect(await run.line(/consume/)).toMatch(/millrace consume/)
  run.child.kill('SIGTERM')
  expect(await run.ended).toMatchObject({ status: 0, stderr: '' })
})

test('--json prints one line of JSON', async () => {
  const run = millrace('start', '--json', ...at(0), ...data())
  const ready = JSON.parse(await run.line(/readyMs/))
  expect(ready).toMatchObject({ nodeId: 1, logDirs: [join(directory, 'data')] })
  expect(ready.listeners[0]).toMatchObject({ name: 'PLAINTEXT', host: '127.0.0.1' })
  run.child.kill('SIGINT')
  expect((await run.ended).status).toBe(0)
})

test('SIGTERM with clients connected and a fetch waiting ends with 0 within two seconds', async () => {
  const run = millrace('start', '--json', ...at(0), ...data())
  const { listeners } = JSON.parse(await run.line(/readyMs/))
  const client = await WireClient.open(listeners[0].port)
  await produceToNew(client)
  client.sendFrame(waitingFetch())
  const startedMs = performance.now()
  run.child.kill('SIGTERM')
  expect((await run.ended).status).toBe(0)
  expect(performance.now() - startedMs).toBeLessThan(2000)
  client.close()
})

test('SIGTERM while a member waits for its group ends with 0, and the member is told', async () => {
  const run = millrace('start', '--json', ...at(0), ...data())
  const { listeners } = JSON.parse(await run.line(/readyMs/))
  const client = await WireClient.open(listeners[0].port)
  const joining = client.send(joinGroup, 2, {
    groupId: 'waiting',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('0000000000000000ffff', 'hex') }],
  })
  // The group waits three seconds for more members.
  await new Promise(resolve => setTimeout(resolve, 300))
  const startedMs = performance.now()
  run.child.kill('SIGTERM')
  expect((await joining).errorCode).toBe(ErrorCode.NOT_COORDINATOR)
  expect((await run.ended).status).toBe(0)
  expect(performance.now() - startedMs).toBeLessThan(2000)
  client.close()
})

test('what was acknowledged before kill -9 is there afterwards, topics and groups included', async () => {
  const first = millrace('start', '--json', ...at(0), ...data())
  const { listeners } = JSON.parse(await first.line(/readyMs/))
  const client = await WireClient.open(listeners[0].port)
  await produceToNew(client)
  const commit = await client.send(offsetCommit, 7, {
    groupId: 'kept-group',
    topics: [{ name: 'kept', partitions: [{ partitionIndex: 0, committedOffset: 1n }] }],
  })
  expect(commit.topics[0]?.partitions[0]?.errorCode).toBe(0)
  first.child.kill('SIGKILL')
  await first.ended
  client.close()

  const second = millrace('start', '--json', ...at(listeners[0].port), ...data())
  await second.line(/readyMs/)
  const again = await WireClient.open(listeners[0].port)
  expect(await fetchFrom(again, 'kept')).toEqual(['a'])
  const committed = await again.send(offsetFetch, 7, {
    groupId: 'kept-group',
    topics: [{ name: 'kept', partitionIndexes: [0] }],
  })
  expect(committed.topics[0]?.partitions[0]?.committedOffset).toBe(1n)
  expect(await produceTo(again, 'kept', ['b'])).toMatchObject({ errorCode: 0, baseOffset: 1n })
  again.close()
  second.child.kill('SIGTERM')
  expect((await second.ended).status).toBe(0)
})

test('the data is there after a restart, and the port can be bound at once', async () => {
  const first = millrace('start', '--json', ...at(0), ...data())
  const { listeners, clusterId } = JSON.parse(await first.line(/readyMs/))
  const client = await WireClient.open(listeners[0].port)
  await produceToNew(client)
  first.child.kill('SIGTERM')
  await first.ended
  client.close()
  const second = millrace('start', '--json', ...at(listeners[0].port), ...data())
  expect(JSON.parse(await second.line(/readyMs/)).clusterId).toBe(clusterId)
  const again = await WireClient.open(listeners[0].port)
  expect(await produceTo(again, 'kept', ['b'])).toMatchObject({ errorCode: 0, baseOffset: 1n })
  again.close()
  second.child.kill('SIGTERM')
  expect((await second.ended).status).toBe(0)
})

/** A fetch at the end of the log: its answer is due long after the test. */
function waitingFetch(): Buffer {
  const header = { correlationId: 9, clientId: 'wire' }
  return encodeRequestFrame(fetch, 12, header, {
    maxWaitMs: 30_000,
    minBytes: 1,
    topics: [{ topic: 'kept', partitions: [{ partition: 0, fetchOffset: 1n, partitionMaxBytes: 1000 }] }],
  })
}

async function produceToNew(client: WireClient): Promise<void> {
  await client.send(metadata, 4, { topics: [{ name: 'kept' }] })
  await produceTo(client, 'kept', ['a'])
}

async function failure(...args: string[]): Promise<{ status: number | null; line: string }> {
  const { status, stderr, stdout } = await millrace('start', ...args).ended
  const lines = stderr.trimEnd().split('\n')
  expect({ lines: lines.length, stdout }).toEqual({ lines: 1, stdout: '' })
  return { status, line: lines[0] ?? '' }
}

test('a port in use is status 4, and the line names the address', async () => {
  const other = createServer()
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  const { status, line } = await failure(...at(port), ...data())
  expect(status).toBe(4)
  expect(line).toContain(`127.0.0.1:${port}`)
  other.close()
})

test('a locked directory is status 5, and the line names it', async () => {
  const first = millrace('start', '--json', ...at(0), ...data())
  await first.line(/readyMs/)
  const { status, line } = await failure(...at(0), ...data())
  expect(status).toBe(5)
  expect(line).toContain(join(directory, 'data'))
  first.child.kill('SIGTERM')
  await first.ended
})

test('a directory that cannot be written is status 6', async () => {
  const file = join(directory, 'file')
  writeFileSync(file, '')
  const { status, line } = await failure(...at(0), '--override', `log.dirs=${join(file, 'data')}`)
  expect(status).toBe(6)
  expect(line).toContain(file)
  if (process.getuid?.() !== 0) {
    const closed = join(directory, 'closed')
    chmodSync(directory, 0o500)
    expect((await failure(...at(0), '--override', `log.dirs=${closed}`)).status).toBe(6)
    chmodSync(directory, 0o700)
  }
})

test('a directory of another node is status 6', async () => {
  const first = millrace('start', '--json', ...at(0), ...data(), '--override', 'node.id=3')
  await first.line(/readyMs/)
  first.child.kill('SIGTERM')
  await first.ended
  expect((await failure(...at(0), ...data(), '--override', 'node.id=4')).status).toBe(6)
})

test.each([
  ['a misspelled property', ['--override', 'num.partition=3'], /num\.partitions/],
  ['a bad value', ['--override', 'num.partitions=many'], /num\.partitions/],
  ['a bad listener', ['--override', 'listeners=nonsense'], /listeners/],
  ['a protocol that is not served', ['--override', 'listeners=SSL://127.0.0.1:0'], /SSL/],
  ['a missing file', ['/nowhere/server.properties'], /server\.properties/],
])('%s is status 3', async (_what, args, pattern) => {
  const { status, line } = await failure(...data(), ...args)
  expect(status).toBe(3)
  expect(line).toMatch(pattern)
})

test('an unknown command or flag is status 2', async () => {
  expect((await millrace('begin').ended).status).toBe(2)
  expect((await millrace('start', '--no-such-flag').ended).status).toBe(2)
})

test("Kafka's own server.properties starts it", async () => {
  const file = join(directory, 'server.properties')
  writeFileSync(
    file,
    [
      '# as Kafka ships it, but for the addresses',
      'process.roles=broker,controller',
      'node.id=1',
      'controller.quorum.bootstrap.servers=localhost:9093',
      'listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0',
      'inter.broker.listener.name=PLAINTEXT',
      'controller.listener.names=CONTROLLER',
      'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT',
      'num.network.threads=3',
      'num.io.threads=8',
      `log.dirs=${join(directory, 'kraft-combined-logs')}`,
      'num.partitions=1',
      'offsets.topic.replication.factor=1',
      'log.retention.hours=168',
      'log.segment.bytes=1073741824',
      '',
    ].join('\n'),
  )
  const run = millrace('start', '--json', file)
  expect(JSON.parse(await run.line(/readyMs/)).listeners).toHaveLength(1)
  run.child.kill('SIGTERM')
  expect((await run.ended).status).toBe(0)
})
