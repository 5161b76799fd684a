// The embedded log through its door: what was appended is read back, in every form, also by others and after it was opened again.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type KeptRecord, type Log, LogError, type LogOptions, openLog, PackedRecords } from '#log'
import { EmbeddedHandle, type EmbeddedOptions } from '#native'
import { LogWriter } from '../../src/log/log-writer.ts'

const WRITER: EmbeddedOptions = {
  segmentBytes: 1 << 30,
  segmentMs: Number.MAX_SAFE_INTEGER,
  indexIntervalBytes: 4096,
  fileDeleteDelayMs: 0,
  slots: 4,
  slotBytes: 1024,
  verifyChecksums: true,
}

let parent: string
let dir: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  dir = join(parent, 'orders-0')
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

async function valuesOf(log: Log, from: bigint | number = 0): Promise<string[]> {
  const values: string[] = []
  for await (const batch of log.read({ from })) for (const record of batch) values.push(String(record.value))
  return values
}

async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act()
  } catch (error) {
    if (error instanceof LogError) return error.code
    throw error
  }
  return 'nothing was thrown'
}

test('records come back as they were appended', async () => {
  await using log = await openLog(dir)
  const appended = log.append([
    'text',
    Buffer.from([1, 2, 3]),
    { key: 'k', value: null },
    {
      key: Buffer.from('key'),
      value: 'v',
      headers: [
        { key: 'h', value: 'x' },
        { key: 'é', value: null },
      ],
      timestamp: 5n,
    },
  ])
  expect([appended.baseOffset, appended.nextOffset]).toEqual([0n, 4n])
  await appended.durable
  const kept: KeptRecord[] = []
  for await (const batch of log.read()) kept.push(...batch.copy())
  expect(kept.map(({ offset, key, value, headers }) => ({ offset, key: key && String(key), value, headers }))).toEqual([
    { offset: 0n, key: null, value: Buffer.from('text'), headers: [] },
    { offset: 1n, key: null, value: Buffer.from([1, 2, 3]), headers: [] },
    { offset: 2n, key: 'k', value: null, headers: [] },
    {
      offset: 3n,
      key: 'key',
      value: Buffer.from('v'),
      headers: [
        { key: 'h', value: Buffer.from('x') },
        { key: 'é', value: null },
      ],
    },
  ])
  expect(kept[3]?.timestamp).toBe(5n)
  expect(Math.abs(Number(kept[0]?.timestamp) - Date.now())).toBeLessThan(60_000)
  expect(log.get(3)?.copy()).toEqual(kept[3])
  expect(log.get(4)).toBeUndefined()
  expect(log.get(-1)).toBeUndefined()
})

test('a log that is opened again has what it had, and goes on', async () => {
  for (let round = 0; round < 3; round += 1) {
    await using log = await openLog(dir)
    expect(log.endOffset).toBe(BigInt(round * 100))
    for (let index = 0; index < 100; index += 1) log.appendOne(`${round * 100 + index}`)
    expect(String(log.get(round * 100 + 50)?.value)).toBe(`${round * 100 + 50}`)
  }
  await using log = await openLog(dir)
  expect(await valuesOf(log)).toEqual(Array.from({ length: 300 }, (_, index) => String(index)))
  expect(log.startOffset).toBe(0n)
})

test('records of one turn form one batch, and are read before the turn ends', async () => {
  await using log = await openLog(dir)
  for (let index = 0; index < 10; index += 1) log.appendOne(`${index}`)
  await log.flush()
  log.appendOne('later')
  expect(String(log.get(10)?.value)).toBe('later')
  const batches: number[][] = []
  for await (const batch of log.read()) batches.push(Array.from(batch, record => Number(record.offset)))
  expect(batches).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
})

test('a million small and some large records come back, by scan and by offset', async () => {
  await using log = await openLog(dir, { segmentBytes: 8 * 1024 * 1024 })
  const sizes = (index: number): number => (index % 10_007 === 0 ? 300_000 : index % 50)
  const value = (index: number): Buffer => Buffer.alloc(sizes(index), index & 0xff)
  const total = 200_000
  for (let index = 0; index < total; index += 1) log.appendOne(value(index))
  let seen = 0
  for (const record of log.scan()) {
    if (Number(record.offset) !== seen || record.value?.equals(value(seen)) !== true) expect(record.offset).toBe(seen)
    seen += 1
  }
  expect(seen).toBe(total)
  for (let index = 0; index < total; index += 997) expect(log.get(index)?.value?.equals(value(index))).toBe(true)
  expect(readdirSync(dir).filter(name => name.endsWith('.log')).length).toBeGreaterThan(1)
})

test('packed records are records', async () => {
  await using log = await openLog(dir)
  const packed = new PackedRecords(16)
  for (let index = 0; index < 1000; index += 1) packed.add(`value ${index}`, index % 2 === 0 ? `key ${index}` : null)
  packed.add(null).add(Buffer.alloc(400_000, 7))
  log.appendOne('before')
  expect(log.append(packed).baseOffset).toBe(1n)
  log.appendOne('after')
  await log.sync()
  expect(String(log.get(1)?.key)).toBe('key 0')
  expect(String(log.get(1000)?.value)).toBe('value 999')
  expect(log.get(1001)?.value).toBeNull()
  expect(log.get(1002)?.value?.equals(Buffer.alloc(400_000, 7))).toBe(true)
  expect(String(log.get(1003)?.value)).toBe('after')
  expect(await codeOf(() => log.append(PackedRecords.of(Buffer.from([1, 0, 0, 0]), 1)))).toBe('INVALID_RECORD')
})

test('each acknowledgement says what it promises', async () => {
  await using log = await openLog(dir, { ack: 'memory' })
  await log.appendOne('in memory').durable
  await log.appendOne('in the file', { ack: 'written' }).durable
  await log.appendOne('on the disk', { ack: 'fsync' }).durable
  expect(log.syncedOffset).toBe(3n)
})

test('a second writer is refused, readers are not', async () => {
  await using log = await openLog(dir)
  expect(await codeOf(() => openLog(dir))).toBe('LOCKED')
  await using reader = await openLog(dir, { readOnly: true })
  expect(await codeOf(() => reader.appendOne('x'))).toBe('READ_ONLY')
  await log.append(['a', 'b']).durable
  expect(await valuesOf(reader)).toEqual(['a', 'b'])
})

test('a follower sees what is appended later, until it is told to stop', async () => {
  await using log = await openLog(dir)
  await using reader = await openLog(dir, { readOnly: true })
  const stop = new AbortController()
  const seen: string[] = []
  const following = (async () => {
    for await (const batch of reader.read({ follow: true, signal: stop.signal })) {
      for (const record of batch) seen.push(String(record.value))
      if (seen.length === 100) stop.abort(new Error('enough'))
    }
  })()
  for (let index = 0; index < 100; index += 1) {
    log.appendOne(String(index))
    if (index % 10 === 0) await log.flush()
  }
  await expect(following).rejects.toThrow('enough')
  expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => String(index)))
})

test('views of what is cut stay what they were', async () => {
  await using log = await openLog(dir)
  const value = (index: number): string => `${index}`.padStart(1000, '.')
  for (let index = 0; index < 5000; index += 1) log.appendOne(value(index))
  const views = [0, 1000, 4999].map(offset => log.get(offset))
  // One batch holds them all, or a few; the cut is at the beginning of one.
  const end = Number(log.truncate(2500))
  expect(end).toBeLessThanOrEqual(2500)
  expect(views.map(view => String(view?.value))).toEqual([0, 1000, 4999].map(value))
  expect(log.get(4999)).toBeUndefined()
  log.appendOne('new')
  expect(String(log.get(end)?.value)).toBe('new')
  expect(await valuesOf(log, end)).toEqual(['new'])
})

test('a codec gives values their type', async () => {
  interface Order {
    readonly id: number
  }
  await using log = await openLog<Order>(dir, {
    codec: {
      encode: order => Buffer.from(JSON.stringify(order)),
      decode: bytes => JSON.parse(bytes.toString()) as Order,
    },
  })
  log.append([{ key: 'a', value: { id: 1 } }, { value: null }])
  expect(log.get(0)?.value?.id).toBe(1)
  expect(log.get(1)?.value).toBeNull()
  expect(await codeOf(() => log.appendOne('plain' as never))).toBe('INVALID_RECORD')
})

test('mistakes are named', async () => {
  const message = async (options: object): Promise<string> => {
    const error = await openLog(dir, options as LogOptions).catch((error: unknown) => error)
    return (error as Error).message
  }
  expect(await message({ segmentByte: 1 })).toContain("did you mean 'segmentBytes'?")
  expect(await message({ ack: 'all' })).toContain("'memory', 'written' or 'fsync'")
  expect(await message({ batchBytes: 1 })).toContain('batchBytes is a whole number from 1024')
  await using log = await openLog(dir)
  expect(await codeOf(() => log.append('x' as never))).toBe('INVALID_ARGUMENT')
  expect(await codeOf(() => log.appendOne(5 as never))).toBe('INVALID_RECORD')
  expect(await codeOf(() => [...log.scan({ from: 1 })])).toBe('OFFSET_OUT_OF_RANGE')
  await log.close()
  expect(await codeOf(() => log.appendOne('x'))).toBe('CLOSED')
})

test('records of a batch end with the batch', async () => {
  await using log = await openLog(dir)
  log.append(['a', 'b'])
  await log.flush()
  const iterators: Iterator<unknown>[] = []
  for await (const batch of log.read()) iterators.push(batch[Symbol.iterator]())
  expect(await codeOf(() => iterators[0]?.next())).toBe('STALE_VIEW')
})

test('a reader needs no writer, and follows one in another process', async () => {
  expect(await codeOf(() => openLog(join(parent, 'nothing-0'), { readOnly: true }))).toBe('NOT_FOUND')
  const values = Array.from({ length: 3000 }, (_, index) => `${index}`.padStart(600, '.'))
  {
    await using log = await openLog(dir, { segmentBytes: 1024 * 1024 })
    for (const value of values) log.appendOne(value)
    log.appendOne({ value: 'late', timestamp: 9_000_000_000_000 })
  }
  await using reader = await openLog(dir, { readOnly: true })
  expect(reader.endOffset).toBe(3001n)
  expect(await valuesOf(reader)).toEqual([...values, 'late'])
  expect(String(reader.get(1234)?.value)).toBe(values[1234])
  expect(reader.offsetForTimestamp(9_000_000_000_000)).toBe(3000n)
  const stop = new AbortController()
  const seen: string[] = []
  const following = (async () => {
    for await (const batch of reader.read({ from: 3001, follow: true, signal: stop.signal })) {
      for (const record of batch) seen.push(String(record.value))
      if (seen.length === 40) stop.abort(new Error('enough'))
    }
  })()
  const program = `import { openLog } from 'millrace/log'
    const log = await openLog(process.argv[1])
    for (let index = 0; index < 40; index += 1) await log.appendOne(String(index)).durable
    await log.close()`
  const writer = spawn(process.execPath, ['--input-type=module', '-e', program, dir], { stdio: 'inherit' })
  await expect(following).rejects.toThrow('enough')
  await once(writer, 'close')
  expect(seen).toEqual(Array.from({ length: 40 }, (_, index) => String(index)))
})

test('a snapshot is the log of one moment', async () => {
  await using log = await openLog(dir, { segmentBytes: 1024 * 1024 })
  for (let index = 0; index < 5000; index += 1) log.appendOne(`${index}`.padStart(700, '.'))
  log.deleteBefore(100)
  const copy = join(parent, 'copy-0')
  const copied = log.snapshot(copy)
  for (let index = 0; index < 1000; index += 1) log.appendOne('later')
  expect(await copied).toBe(5000n)
  expect(await codeOf(() => log.snapshot(copy))).toBe('INVALID_ARGUMENT')
  await using opened = await openLog(copy)
  expect([opened.startOffset, opened.endOffset]).toEqual([100n, 5000n])
  let expected = 100
  for (const record of opened.scan()) {
    expect(String(record.value)).toBe(`${expected}`.padStart(700, '.'))
    expected += 1
  }
  expect(expected).toBe(5000)
})

test('old segments go by size, and views of them stay', async () => {
  await using log = await openLog(dir, {
    segmentBytes: 1024 * 1024,
    retentionBytes: 2 * 1024 * 1024,
    fileDeleteDelayMs: 0,
  })
  for (let index = 0; index < 100; index += 1) log.appendOne(Buffer.alloc(1000, 1))
  const view = log.get(0)
  for (let index = 0; index < 10_000; index += 1) log.appendOne(Buffer.alloc(1000, 2))
  await log.flush()
  while (log.startOffset === 0n) await new Promise(resolve => setTimeout(resolve, 5))
  expect(view?.value?.equals(Buffer.alloc(1000, 1))).toBe(true)
  expect(log.get(0)).toBeUndefined()
  expect(log.get(log.startOffset)?.valueBytes).toBe(1000)
})

test('streams of both kinds carry records both ways', async () => {
  await using log = await openLog(dir)
  const values = Array.from({ length: 500 }, (_, index) => `${index}`.padStart(200, '.'))
  await pipeline(Readable.from(values.slice(0, 250)), log.writable({ highWaterMarkBytes: 1000 }))
  expect(log.endOffset).toBe(250n)
  const writer = log.writableStream({ highWaterMarkBytes: 1000 }).getWriter()
  for (const value of values.slice(250)) await writer.write(value)
  await writer.close()
  const fromNode: string[] = []
  for await (const record of log.readable({ maxBytes: 1 })) fromNode.push(String((record as KeptRecord).value))
  expect(fromNode).toEqual(values)
  const fromWeb: string[] = []
  for await (const record of log.readableStream()) fromWeb.push(String(record.value))
  expect(fromWeb).toEqual(values)
  const stop = new AbortController()
  const following = log.readable({ follow: true, signal: stop.signal, from: 499 })
  setTimeout(() => stop.abort(new Error('stopped')), 20)
  await expect(following.toArray()).rejects.toThrow('stopped')
})

test('a host that lends no memory gets copies', async () => {
  const handle = new EmbeddedHandle({ dir, writer: WRITER, onWake: () => {}, lend: false })
  expect([handle.mayLend, handle.arena()]).toEqual([false, null])
  const writer = new LogWriter(handle, { slotBytes: WRITER.slotBytes })
  for (let index = 0; index < 100; index += 1) writer.appendValue(Buffer.from(`value ${index}`), false)
  writer.seal()
  handle.flush()
  handle.refresh()
  expect(handle.writtenOffset).toBe(100)
  const stretch = handle.stretch(50, 64 * 1024)
  expect([stretch?.isMapped, stretch?.baseOffset, stretch?.endOffset]).toEqual([false, 0, 100])
  handle.close()
})
