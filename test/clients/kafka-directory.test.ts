// Apache Kafka 4.3.1 → Millrace → Apache Kafka on one directory, whichever stops in order and whichever is killed: at each handover a Java
// client digests every record (offset, timestamp, leader epoch, key, value, headers), topic id, setting and committed offset, before and after.
// MILLRACE_DIRECTORY_CYCLES sets how often the directory goes there and back (the long run: 5 and more).
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startMillrace } from './broker-process.ts'
import { repositoryRoot, run } from './toolbox/cache.mjs'
import { javaProgram } from './toolbox/java-program.mjs'
import { kafkaTool } from './toolbox/kafka-jars.mjs'
import { kafkaNode } from './toolbox/kafka-node.mjs'

const cycles = Number(process.env.MILLRACE_DIRECTORY_CYCLES ?? 1)
const source = fileURLToPath(new URL('kafka-directory/DirectoryLoad.java', import.meta.url))
/** Small enough that both brokers write snapshots of the metadata log, and read each other's. */
const SNAPSHOT_BYTES = { 'metadata.log.max.record.bytes.between.snapshots': '4000' }

type KafkaNode = Awaited<ReturnType<typeof kafkaNode>>
type Stop = (signal: NodeJS.Signals) => Promise<unknown>

let scratch: string
let classPath: string
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'millrace-kafka-directory-'))
  classPath = await javaProgram(source, 'directory-load')
}, 300_000)
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

async function java(...args: string[]): Promise<string> {
  const options = ['-XX:TieredStopAtLevel=1', '-Xmx256m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
  const ended = await run('java', [...options, '-cp', classPath, 'DirectoryLoad', ...args], { timeoutMs: 180_000 })
  return ended.stdout
}

/** The node's own server.properties, without what this version refuses to serve under. */
async function millraceOn(node: KafkaNode): Promise<Stop> {
  const properties = join(node.directory, 'millrace.properties')
  const rows = readFileSync(node.properties, 'utf8').split('\n')
  writeFileSync(properties, rows.filter(row => !/^(authorizer|super\.)/.test(row)).join('\n'))
  const child = await startMillrace([properties])
  return async signal => {
    const ended = once(child, 'exit')
    child.kill(signal)
    const [code, by] = await ended
    expect(by ?? code).toBe(signal === 'SIGTERM' ? 0 : signal)
  }
}

async function kafkaOn(node: KafkaNode): Promise<Stop> {
  const server = await node.start()
  return async signal => {
    await server.stop(signal)
    // A partition added to a topic is an error to Kafka's own state change log, always.
    const complaint = /\bERROR\b(?!.* was missing\. Creating)|[Cc]orrupt|Found invalid/
    expect(
      server
        .output()
        .split('\n')
        .filter(line => complaint.test(line)),
    ).toEqual([])
  }
}

const digest = async (node: KafkaNode, isolation = 'read_uncommitted') => java('digest', node.bootstrap, isolation)

/** A cleaner may run in between: then a compacted topic still has the same value for each key. */
function withoutCompacted(lines: string): string[] {
  return lines.split('\n').filter(line => !line.startsWith('records compacted-'))
}

/** Of the records of a round, and of those before it, only a segment's worth and the newest of each key are left. */
const COMPACTED_RECORDS_MAX = 4300

/** The digest once the cleaner of the running broker has been over the topic. */
async function digestWhenCompacted(node: KafkaNode): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const lines = await digest(node)
    const counts = [...lines.matchAll(/^records compacted-\d \S+ count (\d+)/gm)].map(([, count]) => Number(count))
    expect(counts).toHaveLength(2)
    if (counts.every(count => count <= COMPACTED_RECORDS_MAX)) return lines
    if (attempt === 10) throw new Error(`the topic was not compacted: ${counts.join(', ')} records are left`)
  }
}

/** Hash of each file below the directories of these topics. */
function filesOf(dataDirectory: string, topics: readonly string[]): Record<string, string> {
  const hashes: Record<string, string> = {}
  for (const name of readdirSync(dataDirectory).filter(each => topics.some(topic => each.startsWith(`${topic}-`)))) {
    for (const file of readdirSync(join(dataDirectory, name)).filter(each => each.endsWith('.log'))) {
      const bytes = readFileSync(join(dataDirectory, name, file))
      hashes[`${name}/${file}`] = createHash('sha256').update(bytes).digest('hex')
    }
  }
  return hashes
}

const filesWith = (dataDirectory: string, suffix: RegExp) =>
  readdirSync(dataDirectory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && suffix.test(entry.name) && !/-(delete|stray)$/.test(entry.parentPath))
    .map(entry => join(entry.parentPath, entry.name))

function hasBatches(path: string): boolean {
  const log = path.replace(/\.(index|timeindex|txnindex)$/, '.log')
  return existsSync(log) && statSync(log).size > 0
}

/** Our own, over what either broker left in order. */
async function verifyFindsNothing(dataDirectory: string): Promise<void> {
  const main = join(repositoryRoot, 'dist', 'cli', 'main.cjs')
  const verified = await run(process.execPath, [main, 'log', 'verify', dataDirectory], { allowFailure: true })
  const found = verified.stdout.split('\n').filter(line => /^(damage|broken)\t/.test(line))
  expect({ found, code: verified.code }).toEqual({ found: [], code: 0 })
}

/** Apache Kafka's own reader over every segment, index and snapshot. */
async function dumpFindsNothing(dataDirectory: string): Promise<void> {
  const main = 'org.apache.kafka.tools.DumpLogSegments'
  const isMetadata = (path: string) => path.includes('__cluster_metadata-0')
  const all = filesWith(dataDirectory, /\.(log|index|timeindex|snapshot|txnindex)$/).filter(path => !isMetadata(path))
  // The tool cannot read the index of an empty segment, which a killed Kafka leaves at its full size, filled with zeros.
  const dumpable = all.filter(path => statSync(path).size > 0 && hasBatches(path)).join(',')
  const dumped = await kafkaTool(main, ['--deep-iteration', '--files', dumpable])
  expect(complaintsOf(dumped.stdout + dumped.stderr)).toEqual([])
  const metadata = filesWith(dataDirectory, /\.(log|checkpoint)$/).filter(isMetadata)
  const decoded = await kafkaTool(main, ['--cluster-metadata-decoder', '--files', metadata.join(',')])
  expect(complaintsOf(decoded.stdout + decoded.stderr)).toEqual([])
  expect(decoded.stdout).toMatch(/"type":"TOPIC_RECORD"/)
}

/** It calls every segment but the first, and every hole that compaction leaves, "non-consecutive": that alone is no fault.
 *  Nor is the time of a batch that compaction emptied but keeps for its producer: Kafka's cleaner leaves the header's largest timestamp, and
 *  indexes it, and its dump tool, which looks at records alone, finds -1. */
function complaintsOf(output: string): string[] {
  const lines = output.split('\n').filter(line => !/^ {2}Index timestamp: \d+, log timestamp: -1$/.test(line))
  return lines.filter((line, at) => {
    if (/Found timestamp mismatch/.test(line)) return /^ {2}Index timestamp: /.test(lines[at + 1] ?? '')
    return /Mismatches in|[Cc]orrupt|Exception|Found out of order|isvalid: false/.test(line)
  })
}

describe('a directory of a fixed quorum', () => {
  let node: KafkaNode
  beforeAll(async () => {
    node = await kafkaNode(join(scratch, 'fixed'), { overrides: SNAPSHOT_BYTES })
    await node.format()
    const stop = await kafkaOn(node)
    await java('populate', node.bootstrap)
    await stop('SIGTERM')
  }, 180_000)

  test('goes to Millrace and back as often as one likes, in order or by kill -9', async () => {
    let before = ''
    let administered = ''
    let round = 0
    for (let cycle = 0; cycle < cycles; cycle++) {
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        const stopKafka = await kafkaOn(node)
        const asKafkaSees = await digest(node)
        if (before !== '') expect(withoutCompacted(asKafkaSees)).toEqual(withoutCompacted(before))
        const shown = await java('admin', node.bootstrap)
        if (administered !== '') expect(shown).toBe(administered)
        administered = shown
        if (round > 0) await java('aborted', node.bootstrap, String(++round))
        else round++
        before = await digest(node)
        const committed = await digest(node, 'read_committed')
        await stopKafka(signal)
        if (signal === 'SIGTERM') await verifyFindsNothing(node.dataDirectory)

        const kept = filesOf(node.dataDirectory, ['__transaction_state', '__share_group_state'])
        const stopMillrace = await millraceOn(node)
        expect(withoutCompacted(await digest(node))).toEqual(withoutCompacted(before))
        expect(withoutCompacted(await digest(node, 'read_committed'))).toEqual(withoutCompacted(committed))
        await java('more', node.bootstrap, String(++round))
        before = await digestWhenCompacted(node)
        await stopMillrace(signal)
        if (signal === 'SIGTERM') await verifyFindsNothing(node.dataDirectory)
        expect(filesOf(node.dataDirectory, ['__transaction_state', '__share_group_state'])).toEqual(kept)
        await dumpFindsNothing(node.dataDirectory)
      }
    }
    const stopKafka = await kafkaOn(node)
    expect(withoutCompacted(await digest(node))).toEqual(withoutCompacted(before))
    const status = await kafkaTool('org.apache.kafka.tools.MetadataQuorumCommand', [
      '--bootstrap-server',
      node.bootstrap,
      'describe',
      '--status',
    ])
    expect(status.stdout).toMatch(/LeaderId:\s+1\n/)
    await stopKafka('SIGTERM')
    const snapshots = readdirSync(join(node.dataDirectory, '__cluster_metadata-0')).filter(name =>
      name.endsWith('.checkpoint'),
    )
    expect(snapshots.length).toBeGreaterThan(0)
  }, 900_000)
})

describe('a directory of a quorum whose voters are in the log (kraft.version 1)', () => {
  test('is served as it was formatted, and goes to Apache Kafka and back', async () => {
    const node = await kafkaNode(join(scratch, 'dynamic'), {
      overrides: { ...SNAPSHOT_BYTES, 'num.partitions': '5' },
      dynamicQuorum: true,
    })
    await node.format()
    // No broker has been here yet: the first records are those of the format.
    const stopFirst = await millraceOn(node)
    await java('more', node.bootstrap, '1')
    let before = await digest(node)
    await stopFirst('SIGTERM')
    const stopKafka = await kafkaOn(node)
    expect(await digest(node)).toBe(before)
    await java('more', node.bootstrap, '2')
    const features = await java('admin', node.bootstrap)
    expect(features).toMatch(
      /feature group\.version 1\n[^]*feature kraft\.version 1\n[^]*feature transaction\.version 2/,
    )
    before = await digest(node)
    await stopKafka('SIGKILL')
    if (cycles === 1) return
    const stopMillrace = await millraceOn(node)
    expect(await digest(node)).toBe(before)
    await java('more', node.bootstrap, '3')
    before = await digest(node)
    await stopMillrace('SIGKILL')
    const stopLast = await kafkaOn(node)
    expect(await digest(node)).toBe(before)
    await stopLast('SIGTERM')
  }, 400_000)
})
