// Data directories that tools, other brokers or old releases left: incomplete ones open with all they hold; what cannot be carried is refused
// with its reason, and not one byte of it is changed.
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseSnapshotFileName } from '#metadata'
import { nativeBatchCodec } from '#native'
import {
  decodeBatches,
  encodeBatch,
  encodeControlRecord,
  metadata,
  type MetadataRecordInput,
  metadataRecords,
  type RecordBatch,
} from '#protocol'
import { startBroker } from '#test-kit'
import { fetchFrom, produceTo } from './records.ts'
import { WireClient } from './wire-client.ts'

const SNAPSHOTS = { 'metadata.log.max.record.bytes.between.snapshots': '300' }
let path: string
let log: string
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'millrace-directories-'))
  log = join(path, '__cluster_metadata-0')
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

/** A stopped node with a topic of two records; returns the topic's id. */
async function fill(settings: Readonly<Record<string, string>> = {}): Promise<string | null> {
  const broker = await startBroker({ storage: { path }, topics: { kept: {} }, settings })
  const client = await WireClient.open(broker.port)
  await produceTo(client, 'kept', ['a', 'b'])
  for (let index = 0; index < 4; index++) await broker.createTopic(`filler-${index}`)
  const { topics } = await client.send(metadata, 12, { topics: [{ name: 'kept' }] })
  client.close()
  await broker.stop()
  return topics[0]?.topicId ?? null
}

async function expectServed(topicId: string | null): Promise<void> {
  const broker = await startBroker({ storage: { path } })
  const client = await WireClient.open(broker.port)
  const { topics } = await client.send(metadata, 12, { topics: [{ name: 'kept' }, { name: 'filler-3' }] })
  expect(topics.map(({ errorCode }) => errorCode)).toEqual([0, 0])
  expect(topics[0]?.topicId).toBe(topicId)
  expect(await fetchFrom(client, 'kept')).toEqual(['a', 'b'])
  expect(await produceTo(client, 'kept', ['c'])).toMatchObject({ errorCode: 0, baseOffset: 2n })
  client.close()
  await broker.stop()
  const again = await startBroker({ storage: { path } })
  await again.stop()
}

function batchesOf(file: string): readonly RecordBatch[] {
  return [...decodeBatches(readFileSync(file), nativeBatchCodec)]
}

const segments = () => readdirSync(log).filter(name => name.endsWith('.log'))
const snapshots = () => readdirSync(log).filter(name => name.endsWith('.checkpoint'))

/** Keeps only what the newest snapshot does not have, as a log that was cut before it. */
function cutBeforeSnapshot(keepTail: boolean): void {
  const newest = parseSnapshotFileName(snapshots().at(-1) as string)
  const end = newest?.endOffset ?? 0n
  const tail = segments()
    .flatMap(name => batchesOf(join(log, name)))
    .filter(batch => batch.baseOffset >= end)
    .map(({ bytes }) => Buffer.from(bytes))
  for (const name of readdirSync(log)) if (!name.endsWith('.checkpoint')) rmSync(join(log, name))
  if (keepTail) writeFileSync(join(log, `${String(end).padStart(20, '0')}.log`), Buffer.concat(tail))
}

function appendRaw(values: readonly Buffer[], isControl = false, key: Buffer | null = null): void {
  const file = join(log, segments().at(-1) as string)
  const last = batchesOf(file).at(-1) as RecordBatch
  const batch = encodeBatch(
    {
      records: values.map(value => ({ key, value, timestamp: 0n })),
      baseOffset: last.lastOffset + 1n,
      partitionLeaderEpoch: last.header.partitionLeaderEpoch,
      isControl,
    },
    nativeBatchCodec,
  )
  writeFileSync(file, Buffer.concat([readFileSync(file), batch]))
}

const append = (...records: readonly MetadataRecordInput[]) => appendRaw(records.map(metadataRecords.encode))

function rewriteProperties(change: (text: string) => string): void {
  const file = join(path, 'meta.properties')
  writeFileSync(file, change(readFileSync(file, 'utf8')))
}

/** Names and bytes of everything in the directory. */
function digest(): string {
  const hash = createHash('sha256')
  for (const name of (readdirSync(path, { recursive: true }) as string[]).sort()) {
    hash.update(`${name}\0`)
    try {
      hash.update(readFileSync(join(path, name)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error
    }
  }
  return hash.digest('hex')
}

describe('an incomplete directory opens', () => {
  test('with a metadata log that begins behind a snapshot', async () => {
    const topicId = await fill(SNAPSHOTS)
    cutBeforeSnapshot(true)
    await expectServed(topicId)
  })

  test('with nothing but the newest snapshot of the metadata log', async () => {
    const topicId = await fill({ ...SNAPSHOTS, 'metadata.log.max.record.bytes.between.snapshots': '20' })
    cutBeforeSnapshot(false)
    await expectServed(topicId)
  })

  test('without quorum state', async () => {
    const topicId = await fill()
    rmSync(join(log, 'quorum-state'))
    await expectServed(topicId)
  })

  test('without snapshots, the log being whole', async () => {
    const topicId = await fill(SNAPSHOTS)
    expect(snapshots().length).toBeGreaterThan(0)
    for (const name of snapshots()) rmSync(join(log, name))
    await expectServed(topicId)
  })

  test('with damaged snapshots, the log being whole', async () => {
    const topicId = await fill(SNAPSHOTS)
    for (const name of snapshots()) writeFileSync(join(log, name), 'damaged')
    await expectServed(topicId)
  })

  test('without any file but the batches themselves', async () => {
    const topicId = await fill()
    for (const directory of [log, join(path, 'kept-0')]) {
      for (const name of readdirSync(directory)) if (!name.endsWith('.log')) rmSync(join(directory, name))
    }
    for (const name of readdirSync(path)) if (name.endsWith('checkpoint')) rmSync(join(path, name))
    await expectServed(topicId)
  })

  test('with a torn batch at the end of the metadata log', async () => {
    const topicId = await fill()
    const file = join(log, segments().at(-1) as string)
    const bytes = readFileSync(file)
    writeFileSync(file, Buffer.concat([bytes, bytes.subarray(0, 40)]))
    await expectServed(topicId)
  })

  test('with an operation that its controller did not finish', async () => {
    const topicId = await fill()
    append(
      { type: 'BeginTransactionRecord', name: 'operation', version: 0 },
      { type: 'TopicRecord', name: 'half', topicId: 'A1A1A1A1A1A1A1A1A1A1A1'.slice(0, 21).concat('Q') },
    )
    await expectServed(topicId)
    const broker = await startBroker({ storage: { path } })
    await broker.createTopic('half')
    await broker.stop()
  })

  test('with ids in padded base64, and meta.properties as Java writes it', async () => {
    const topicId = await fill()
    rewriteProperties(text =>
      text.replace(/^(cluster\.id|directory\.id)=(.*)$/gm, (_, key: string, id: string) => `${key}=${id}\\=\\=`),
    )
    const file = join(path, 'kept-0', 'partition.metadata')
    writeFileSync(file, `${readFileSync(file, 'utf8').trim()}==`)
    await expectServed(topicId)
    expect(readFileSync(join(path, 'meta.properties'), 'utf8')).toMatch(/^cluster\.id=[\w-]{22}\\=\\=$/m)
  })

  test('that was only formatted, and begins with the records of the format', async () => {
    writeFileSync(join(path, 'meta.properties'), 'version=1\ncluster.id=aaaaaaaaaaaaaaaaaaaaaQ\nnode.id=7\n')
    const features = new Map([
      ['metadata.version', 25],
      ['group.version', 1],
    ])
    const records = Array.from(
      features,
      ([name, featureLevel]): MetadataRecordInput => ({ type: 'FeatureLevelRecord', name, featureLevel }),
    )
    const frame = (type: 'SnapshotHeader' | 'SnapshotFooter') =>
      encodeBatch(
        { records: [encodeControlRecord({ type, version: 0, lastContainedLogTimestamp: 0n })], isControl: true },
        nativeBatchCodec,
      )
    const values = records.map(record => ({ value: metadataRecords.encode(record), timestamp: 0n }))
    const bytes = [frame('SnapshotHeader'), encodeBatch({ records: values }, nativeBatchCodec), frame('SnapshotFooter')]
    writeFileSync(join(path, 'bootstrap.checkpoint'), Buffer.concat(bytes))
    const broker = await startBroker({ storage: { path } })
    expect(broker.broker.nodeId).toBe(7)
    expect(broker.broker.clusterId).toBe('aaaaaaaaaaaaaaaaaaaaaQ')
    expect(broker.broker.services.image().features).toEqual(features)
    await broker.stop()
  })
})

/** One message of the format that Kafka wrote before 0.10: crc, magic 0, attributes, key, value. */
function oldMessage(value: string): Buffer {
  const body = Buffer.concat([Buffer.from([0, 0, 0xff, 0xff, 0xff, 0xff]), Buffer.alloc(4), Buffer.from(value)])
  body.writeInt32BE(value.length, 6)
  const header = Buffer.alloc(16)
  header.writeInt32BE(body.length + 4, 8)
  header.writeUInt32BE(crc32(body), 12)
  return Buffer.concat([header, body])
}

test('a partition in a format from before 0.11 is left as it is, and the others are served', async () => {
  const topicId = await fill()
  const directory = join(path, 'filler-0-0')
  writeFileSync(join(directory, `${'0'.repeat(20)}.log`), oldMessage('old'))
  const before = readFileSync(join(directory, `${'0'.repeat(20)}.log`))
  await expectServed(topicId)
  expect(readFileSync(join(directory, `${'0'.repeat(20)}.log`))).toEqual(before)
})

describe('what cannot be carried is refused, untouched', () => {
  const refusals: readonly (readonly [what: string, spoil: () => void, reason: RegExp])[] = [
    [
      'a metadata.version from the future',
      () => append({ type: 'FeatureLevelRecord', name: 'metadata.version', featureLevel: 31 }),
      /metadata\.version is 31, newer than 30/,
    ],
    [
      'a metadata.version from before KRaft in production',
      () => append({ type: 'FeatureLevelRecord', name: 'metadata.version', featureLevel: 3 }),
      /metadata\.version is 3, older than 7/,
    ],
    [
      'an unknown feature',
      () => append({ type: 'FeatureLevelRecord', name: 'tape.version', featureLevel: 1 }),
      /feature tape\.version \(level 1\) is not known/,
    ],
    [
      'a level of a feature from the future',
      () => append({ type: 'FeatureLevelRecord', name: 'share.version', featureLevel: 2 }),
      /share\.version is at level 2, newer than 1/,
    ],
    ['an unknown record type', () => appendRaw([Buffer.from([1, 99, 0, 0])]), /record type 99 is unknown/],
    ['an unknown record version', () => appendRaw([Buffer.from([1, 2, 9, 0])]), /TopicRecord.*9|version 9/],
    [
      'a record that contradicts the log',
      () => append({ type: 'RemoveTopicRecord', topicId: 'A1A1A1A1A1A1A1A1A1A1AQ' }),
      /is removed and does not exist/,
    ],
    [
      'several voters, by quorum-state',
      () =>
        writeFileSync(
          join(log, 'quorum-state'),
          '{"clusterId":"","leaderId":2,"leaderEpoch":4,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1},{"voterId":2},{"voterId":3}],"data_version":0}',
        ),
      /the voters 1, 2, 3; a quorum of more than one voter/,
    ],
    [
      'another voter, by the leader change in the log',
      () => {
        rmSync(join(log, 'quorum-state'))
        const voters = [{ voterId: 3000 }]
        const { key, value } = encodeControlRecord({
          type: 'LeaderChange',
          version: 0,
          leaderId: 3000,
          voters,
          grantingVoters: voters,
        })
        appendRaw([value], true, key)
      },
      /its metadata quorum is node 3000, and this is node 1/,
    ],
    [
      'a metadata log whose beginning is missing',
      () => {
        const [name = ''] = segments()
        for (const each of snapshots()) rmSync(join(log, each))
        renameSync(join(log, name), join(log, `${String(500).padStart(20, '0')}.log`))
      },
      /begins at offset 500, and there is no snapshot/,
    ],
    [
      'a broker under ZooKeeper',
      () => {
        rmSync(log, { recursive: true })
        writeFileSync(join(path, 'meta.properties'), 'version=0\nbroker.id=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\n')
      },
      /described in ZooKeeper/,
    ],
    [
      'meta.properties of an unknown version',
      () => rewriteProperties(text => text.replace('version=1', 'version=2')),
      /version 2; known are 0 and 1/,
    ],
    ['meta.properties without a version', () => rewriteProperties(() => 'garbage'), /has no version/],
  ]

  for (const [what, spoil, reason] of refusals) {
    test(what, async () => {
      await fill()
      spoil()
      const before = digest()
      await expect(startBroker({ storage: { path } })).rejects.toThrow(reason)
      expect(digest()).toBe(before)
    })
  }

  test('another node id than the one asked for', async () => {
    await fill()
    const before = digest()
    await expect(startBroker({ storage: { path }, settings: { 'node.id': '2' } })).rejects.toThrow(
      /belongs to node 1, not 2/,
    )
    expect(digest()).toBe(before)
  })

  test('log directories of two clusters', async () => {
    await fill()
    const second = join(path, 'second')
    const other = await startBroker({ storage: { path: second } })
    await other.stop()
    const before = digest()
    const settings = { 'log.dirs': `${path},${second}` }
    await expect(startBroker({ storage: { path }, settings })).rejects.toThrow(/belongs to cluster/)
    expect(digest()).toBe(before)
  })
})
