// The bare log under the real addon: what is appended is there, in order, also after the handle was closed and opened again.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LogHandle, NativeError, nativeBatchCodec, type TopicNativeConfig } from '#native'
import { decodeBatches, encodeBatch } from '#protocol'

const config: TopicNativeConfig = {
  segmentBytes: 1 << 30,
  segmentMs: Number.MAX_SAFE_INTEGER,
  segmentJitterMs: 0,
  segmentIndexBytes: 10 << 20,
  indexIntervalBytes: 4096,
  maxMessageBytes: 1 << 20,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  messageTimestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  compressionType: 'producer',
  compressionLevel: undefined,
  compacted: false,
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  deleteRetentionMs: 86_400_000,
  minInsyncReplicas: 1,
  flushPolicy: 'sync',
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  deletes: false,
  retentionMs: -1,
  retentionBytes: -1,
  fileDeleteDelayMs: 60_000,
}
const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'

let parent: string
let dir: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'millrace-log-handle-'))
  dir = join(parent, 'metadata-0')
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

const open = (): LogHandle => new LogHandle({ dir, config, topicId })
const batchOf = (...values: string[]): Buffer =>
  encodeBatch({ records: values.map(value => ({ value: Buffer.from(value), timestamp: 1n })) }, nativeBatchCodec)

function valuesFrom(log: LogHandle, offset: bigint): string[] {
  const values: string[] = []
  for (const batch of decodeBatches(log.read(offset, 1 << 20), nativeBatchCodec)) {
    for (const record of batch.records()) if (record.offset >= offset) values.push(String(record.value))
  }
  return values
}

test('appends resolve with their offsets, in the order they were made', async () => {
  const log = open()
  const appended = await Promise.all([
    log.append(batchOf('a', 'b'), 3, { sync: false }),
    log.append(batchOf('c'), 3, { sync: true }),
    log.append(batchOf('d'), 3, { sync: true }),
  ])
  expect(appended).toEqual([
    { baseOffset: 0n, lastOffset: 1n },
    { baseOffset: 2n, lastOffset: 2n },
    { baseOffset: 3n, lastOffset: 3n },
  ])
  expect([log.startOffset, log.endOffset]).toEqual([0n, 4n])
  expect(valuesFrom(log, 1n)).toEqual(['b', 'c', 'd'])
  expect(log.read(4n, 1000)).toHaveLength(0)
  log.close()
})

test('wake after wake, every append is answered', async () => {
  const log = open()
  for (let round = 0; round < 200; round += 1) {
    expect(await log.append(batchOf('x'), 0, { sync: round % 2 === 0 })).toMatchObject({ baseOffset: BigInt(round) })
  }
  log.close()
})

test('a synchronous append is on disk when it returns, and the log goes on after it is opened again', () => {
  const first = open()
  expect(first.appendSync(batchOf('a'), 1)).toBe(0n)
  expect(readFileSync(join(dir, '00000000000000000000.log')).length).toBe(batchOf('a').length)
  first.close()
  const second = open()
  expect(second.appendSync(batchOf('b'), 2)).toBe(1n)
  expect(valuesFrom(second, 0n)).toEqual(['a', 'b'])
  expect(readFileSync(join(dir, 'partition.metadata'), 'utf8')).toContain(topicId)
  second.close()
})

test('a truncated log goes on where it was cut', () => {
  const log = open()
  for (const value of ['a', 'b', 'c']) log.appendSync(batchOf(value), 1)
  log.truncate(1n)
  expect(log.endOffset).toBe(1n)
  expect(log.appendSync(batchOf('d'), 2)).toBe(1n)
  expect(valuesFrom(log, 0n)).toEqual(['a', 'd'])
  log.close()
})

test('a corrupt batch is refused and leaves nothing behind', async () => {
  const log = open()
  const batch = batchOf('a')
  batch.writeUInt8(batch.readUInt8(batch.length - 1) ^ 1, batch.length - 1)
  await expect(log.append(batch, 1, { sync: true })).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' })
  expect(log.endOffset).toBe(0n)
  log.close()
})

test('a closed log refuses every call, and closing it twice is fine', async () => {
  const log = open()
  log.close()
  log.close()
  expect(() => log.read(0n, 10)).toThrow(NativeError)
  await expect(log.append(batchOf('a'), 1, { sync: true })).rejects.toMatchObject({ code: 'CLOSED' })
})

test('an append under way when the log closes is answered', async () => {
  const log = open()
  const append = log.append(batchOf('a'), 1, { sync: true })
  log.close()
  await append.catch(error => expect(error).toMatchObject({ code: 'CLOSED' }))
})
