// The README's log, opened in a program and then served by a broker without conversion: kcat reads what the program wrote, produces behind it,
// and Kafka's own tool finds nothing wrong with the files.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLog } from '#log'
import { startBroker, type TestBroker } from '#test-kit'
import { repositoryRoot } from './toolbox/cache.mjs'
import { kafkaTool } from './toolbox/kafka-jars.mjs'
import { kcat } from './toolbox/kcat.mjs'

let scratch: string
let data: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'millrace-embedded-'))
  data = join(scratch, 'data')
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

const serve = (): Promise<TestBroker> => startBroker({ storage: { path: data } })

async function served(broker: TestBroker, topic: string, partition = 0): Promise<string[]> {
  const args = ['-b', broker.bootstrap, '-q', '-C', '-t', topic, '-p', String(partition), '-o', 'beginning', '-e']
  const { stdout } = await kcat([...args, '-f', '%o|%k|%s\n'])
  return stdout.split('\n').filter(line => line !== '')
}

/** Runs the README's example in `scratch`, as it stands there. */
function runReadmeExample(): string {
  const readme = readFileSync(join(repositoryRoot, 'README.md'), 'utf8')
  const example = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].find(([, body = '']) => body.includes('openLog('))?.[1]
  const folder = join(repositoryRoot, '.cache', 'examples')
  mkdirSync(folder, { recursive: true })
  const program = join(folder, 'readme-open-log.mjs')
  writeFileSync(program, example ?? 'throw new Error("the README has no example of openLog")')
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { cwd: scratch, encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
}

test('what the README wrote is served by the broker to kcat', async () => {
  expect(runReadmeExample()).toBe('second\n1n second\n2n third\n')
  {
    await using broker = await serve()
    expect(await served(broker, 'orders')).toEqual(['0|alice|first', '1|bob|second', '2||third'])
    await kcat(['-b', broker.bootstrap, '-q', '-P', '-t', 'orders', '-p', '0', '-K:'], { input: 'carol:fourth\n' })
    expect(existsSync(join(data, 'orders-0', 'embedded.checkpoint'))).toBe(false)
    await expect(openLog(join(data, 'orders-0'))).rejects.toMatchObject({ code: 'LOCKED' })
  }
  {
    await using broker = await serve()
    expect(await served(broker, 'orders')).toEqual(['0|alice|first', '1|bob|second', '2||third', '3|carol|fourth'])
  }
  // It is the broker's now: a writer beside its bookkeeping would undo it.
  await expect(openLog(join(data, 'orders-0'))).rejects.toMatchObject({ code: 'BROKER_OWNED' })
})

test('Kafka finds nothing wrong with the files, and a broker serves every record of many partitions', async () => {
  for (let partition = 0; partition < 3; partition += 1) {
    await using log = await openLog(join(data, `many-${partition}`), { segmentBytes: 1024 * 1024 })
    for (let index = 0; index < 20_000; index += 1) {
      log.appendOne({ key: `k${index % 10}`, value: `${partition}:${index}`.padEnd(100, '.') })
      if (index % 1000 === 0) await log.flush()
    }
    if (partition === 1) log.deleteBefore(15_000)
  }
  const dir = join(data, 'many-0')
  const logs = readdirSync(dir).filter(name => name.endsWith('.log'))
  expect(logs.length).toBeGreaterThan(1)
  const files = logs.map(name => join(dir, name)).join(',')
  const { stdout } = await kafkaTool('org.apache.kafka.tools.DumpLogSegments', ['--deep-iteration', '--files', files])
  expect(stdout.match(/ offset: \d+ /g)).toHaveLength(20_000)
  expect(stdout).not.toMatch(/isvalid: false|Found|corrupt/i)
  await using broker = await serve()
  expect(await served(broker, 'many', 0)).toHaveLength(20_000)
  const cut = await served(broker, 'many', 1)
  expect([cut.length, cut[0]?.split('|')[0]]).toEqual([5_000, '15000'])
})

test('a log with a gap in its partitions, or of an internal name, is left alone', async () => {
  for (const name of ['gap-0', 'gap-2', '__own-0']) {
    await using log = await openLog(join(data, name))
    log.appendOne('x')
  }
  await using broker = await serve()
  const { stdout } = await kcat(['-b', broker.bootstrap, '-L', '-J'])
  expect(JSON.parse(stdout).topics).toEqual([])
  expect(existsSync(join(data, 'gap-0', 'embedded.checkpoint'))).toBe(true)
})

test('a log that is open for writing is not adopted while it is', async () => {
  {
    await using log = await openLog(join(data, 'busy-0'))
    await log.appendOne('kept').durable
    await using broker = await serve()
    const { stdout } = await kcat(['-b', broker.bootstrap, '-L', '-J'])
    expect(JSON.parse(stdout).topics).toEqual([])
    await log.appendOne('too').durable
  }
  await using broker = await serve()
  expect(await served(broker, 'busy')).toEqual(['0||kept', '1||too'])
})
