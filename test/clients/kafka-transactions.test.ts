// Transactions that Apache Kafka 4.3.1 wrote, committed, aborted and open, read through Millrace by Java at both isolation levels: the same
// records, and the same ends, as from Kafka itself. Also after both were killed, and with every index of aborted transactions and every
// producer snapshot gone.
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startMillrace } from './broker-process.ts'
import { run } from './toolbox/cache.mjs'
import { javaProgram } from './toolbox/java-program.mjs'
import { kafkaNode } from './toolbox/kafka-node.mjs'

const source = fileURLToPath(new URL('kafka-transactions/TransactionLoad.java', import.meta.url))

let scratch: string
let classPath: string
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'millrace-kafka-transactions-'))
  classPath = await javaProgram(source, 'transaction-load')
}, 300_000)
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

async function java(...args: string[]): Promise<string> {
  const options = ['-XX:TieredStopAtLevel=1', '-Xmx256m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
  const ended = await run('java', [...options, '-cp', classPath, 'TransactionLoad', ...args], { timeoutMs: 180_000 })
  return ended.stdout
}

/** Names of the files with this suffix in the partitions of the topic. */
function filesWith(dataDirectory: string, suffix: string): string[] {
  return ['decided-0', 'decided-1'].flatMap(partition =>
    readdirSync(join(dataDirectory, partition))
      .filter(name => name.endsWith(suffix))
      .map(name => join(dataDirectory, partition, name)),
  )
}

test('a directory with transactions reads as it does from Apache Kafka', async () => {
  const node = await kafkaNode(join(scratch, 'node'))
  await node.format()
  const kafka = await node.start()
  await java('write', node.bootstrap)
  const expected = await java('read', node.bootstrap)
  await kafka.stop('SIGKILL')
  // The two ends differ: a transaction is open.
  const ends = [...expected.matchAll(/^read_(?:un)?committed \d end (\d+)/gm)].map(([, end]) => Number(end))
  expect(ends).toHaveLength(4)
  expect(ends[0]).toBeLessThan(ends[2] ?? 0)
  expect(filesWith(node.dataDirectory, '.log').length).toBeGreaterThan(6)

  const properties = join(node.directory, 'millrace.properties')
  const rows = readFileSync(node.properties, 'utf8').split('\n')
  writeFileSync(properties, rows.filter(row => !/^(authorizer|super\.)/.test(row)).join('\n'))
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGTERM'] as const) {
    const millrace = await startMillrace([properties])
    expect(await java('read', node.bootstrap)).toBe(expected)
    const ended = once(millrace, 'exit')
    millrace.kill(signal)
    await ended
    const indexes = filesWith(node.dataDirectory, '.txnindex')
    expect(indexes.length).toBeGreaterThan(3)
    // What can be made good by the batches goes: some indexes, and in one partition every snapshot.
    for (const path of indexes.slice(0, 2)) rmSync(path)
    for (const path of filesWith(node.dataDirectory, '.snapshot').filter(path => path.includes('decided-1')))
      rmSync(path)
  }
}, 300_000)
