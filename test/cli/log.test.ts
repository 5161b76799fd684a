// `millrace log`: what it prints of a directory, what it finds wrong, what it puts right, and with which status.
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { startBroker } from '#test-kit'
import { fetchFrom, produceTo } from '../scenarios/records.ts'
import { WireClient } from '../scenarios/wire-client.ts'

const main = join(import.meta.dirname, '..', '..', 'dist', 'cli', 'main.cjs')
const values = Array.from({ length: 30 }, (_, index) => `value-${index}-${'x'.repeat(400)}`)
let original: string
let path: string
beforeAll(async () => {
  original = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  const broker = await startBroker({ storage: { path: original }, topics: { things: {}, other: { partitions: 2 } } })
  const client = await WireClient.open(broker.port)
  for (const value of values) await produceTo(client, 'things', [value])
  client.close()
  await broker.stop()
})
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'millrace-log-copy-'))
  cpSync(original, path, { recursive: true })
})
afterEach(() => rmSync(path, { recursive: true, force: true }))
afterAll(() => rmSync(original, { recursive: true, force: true }))

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

function millrace(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [main, 'log', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  return new Promise(resolve => child.once('close', status => resolve({ status, stdout, stderr })))
}

const segment = (suffix = 'log') => join(path, 'things-0', `${'0'.repeat(20)}.${suffix}`)

function change(file: string, at: number): void {
  const bytes = readFileSync(file)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  writeFileSync(file, bytes)
}

async function served(): Promise<readonly string[]> {
  const broker = await startBroker({ storage: { path } })
  const client = await WireClient.open(broker.port)
  const found: string[] = []
  for (;;) {
    const more = await fetchFrom(client, 'things', BigInt(found.length)).catch(() => [])
    if (more.length === 0) break
    found.push(...more)
    if (found.length >= values.length) break
  }
  client.close()
  await broker.stop()
  return found
}

test('a directory that was closed has nothing wrong in it, nor has one of its files', async () => {
  const ended = await millrace('verify', path)
  expect(ended).toMatchObject({ status: 0, stderr: '' })
  expect(ended.stdout).toMatch(/^4 partitions, \d+ segments, \d+ batches, \d+ records: nothing wrong\n$/m)
  const { findings, ...totals } = JSON.parse((await millrace('verify', '--json', join(path, 'things-0'))).stdout)
  expect(totals).toMatchObject({ partitions: 1, segments: 1, batches: 30, records: 30, wrong: 0 })
  expect(findings).toEqual([])
  expect(await millrace('verify', segment(), segment('index'))).toMatchObject({ status: 0 })
})

test('a changed byte of a batch, an index and a checkpoint is found, with its place', async () => {
  change(segment(), 5000)
  change(segment('index'), 3)
  writeFileSync(join(path, 'recovery-point-offset-checkpoint'), '0\n1\nthings 0 31\n')
  const ended = await millrace('verify', path, '--json')
  expect(ended.status).toBe(10)
  const { findings } = JSON.parse(ended.stdout)
  const damage = findings.find(({ severity }: { severity: string }) => severity === 'damage')
  expect(damage).toMatchObject({ directory: join(path, 'things-0'), file: `${'0'.repeat(20)}.log` })
  expect(damage.position).toBeLessThanOrEqual(5000)
  expect(findings).toContainEqual(
    expect.objectContaining({ severity: 'broken', directory: path, file: 'recovery-point-offset-checkpoint' }),
  )
  expect((await millrace('verify', path)).stderr).toMatch(/^millrace: \d+ wrong\n$/)
})

test('repair builds indexes anew and leaves the records alone', async () => {
  change(segment('index'), 3)
  rmSync(segment('timeindex'))
  writeFileSync(join(path, 'things-0', 'leader-epoch-checkpoint'), '0\n1\n7 0\n')
  expect((await millrace('verify', path)).status).toBe(10)
  const ended = await millrace('repair', path)
  expect(ended).toMatchObject({ status: 0, stderr: '' })
  expect(ended.stdout).toMatch(/^repaired\t.*things-0\t\d+ wrong before, ends at offset 30\n$/)
  expect(await millrace('verify', path)).toMatchObject({ status: 0 })
  expect(await millrace('repair', path)).toMatchObject({ status: 0, stdout: 'nothing to repair\n' })
  expect(await served()).toEqual(values)
})

test('a damaged log is cut only when asked to, and what is cut off is kept', async () => {
  const before = readFileSync(segment())
  change(segment(), 5000)
  const damaged = readFileSync(segment())
  const refused = await millrace('repair', path)
  expect(refused.status).toBe(10)
  expect(refused.stderr).toMatch(/--truncate cuts/)
  expect(readFileSync(segment())).toEqual(damaged)

  const { status, stdout } = await millrace('repair', '--truncate', '--json', path)
  expect(status).toBe(0)
  const [partition] = JSON.parse(stdout).partitions
  const [backup] = partition.backups.filter((name: string) => name.includes('.log.'))
  const position = Number(/\.log\.(\d+)\.bak$/.exec(backup)?.[1])
  expect(readFileSync(segment())).toEqual(before.subarray(0, position))
  expect(readFileSync(join(path, 'things-0', backup))).toEqual(damaged.subarray(position))
  expect(partition).toMatchObject({ cutBytes: damaged.length - position })
  expect(await served()).toEqual(values.slice(0, partition.endOffset))
})

test('a torn tail is told and cut', async () => {
  truncateSync(segment(), readFileSync(segment()).length - 7)
  const found = await millrace('verify', join(path, 'things-0'))
  expect(found.status).toBe(10)
  expect(found.stdout).toMatch(/no whole batch from here on/)
  expect(await millrace('repair', '--truncate', join(path, 'things-0'))).toMatchObject({ status: 0 })
  expect(await served()).toEqual(values.slice(0, 29))
})

test('repair refuses a directory that a broker has open', async () => {
  change(segment('index'), 3)
  const broker = await startBroker({ storage: { path } })
  const ended = await millrace('repair', path)
  expect(ended.status).toBe(5)
  expect(ended.stderr).toMatch(/in use/)
  await broker.stop()
})

test('dump prints batches and records, entries, epochs and metadata', async () => {
  const lines = (await millrace('dump', '--json', segment())).stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(lines).toHaveLength(60)
  expect(lines[0]).toMatchObject({ kind: 'batch', baseOffset: 0, lastOffset: 0, position: 0, compression: 'none' })
  expect(lines[1]).toMatchObject({ kind: 'record', offset: 0, key: `key-${values[0]}`, value: values[0] })
  expect((await millrace('dump', '--no-records', '-n', '2', segment())).stdout.match(/^batch /gm)).toHaveLength(2)
  expect((await millrace('dump', segment('index'))).stdout).toMatch(/^index offset=\d+ position=\d+$/m)
  expect((await millrace('dump', segment('timeindex'))).stdout).toMatch(/^timeindex timestamp=\d+ offset=\d+$/m)
  const partition = await millrace('dump', join(path, 'things-0'))
  expect(partition.stdout).toMatch(/^# .*leader-epoch-checkpoint\n0\n1\n\d+ 0\n/m)
  expect(partition.stdout).toMatch(/^topic_id: [\w-]{22}$/m)
  const log = join(path, '__cluster_metadata-0')
  const [name] = readdirSync(log).filter(each => each.endsWith('.log'))
  const metadata = (await millrace('dump', '--json', join(log, name ?? ''))).stdout
  expect(metadata).toMatch(/"control":\{"type":"LeaderChange"/)
  expect(metadata).toMatch(/"metadata":\{"type":"TopicRecord",.*"name":"things"/)
})

test('what cannot be read to its end, or is nothing of a log directory, has its status', async () => {
  change(segment(), 5000)
  const ended = await millrace('dump', segment())
  expect(ended.status).toBe(10)
  expect(ended.stdout.match(/^batch /gm)?.length).toBeGreaterThan(0)
  writeFileSync(join(path, 'notes.txt'), 'x')
  expect(await millrace('dump', join(path, 'notes.txt'))).toMatchObject({ status: 2 })
  expect(await millrace('verify', join(path, 'nowhere'))).toMatchObject({ status: 6 })
  expect(await millrace('verify')).toMatchObject({ status: 2 })
})
