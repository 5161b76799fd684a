// Owns the stores of row 9, each as its own documentation uses it for speed: no sync, binary values, its cheapest call for one record and for many.
// Every read looks at a byte of the value. Run as `node embedded-stores.mjs STORE DIRECTORY RECORDS`; prints one line of JSON.
import { closeSync, openSync, readSync, writeSync, writevSync } from 'node:fs'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { open as openLmdb } from 'lmdb'
import { openLog, PackedRecords } from 'millrace/log'

const recordBytes = 1024
const batchRecords = 256
const randomReads = 200_000
const scanBytes = 256 * 1024
/** Appends that fit into what a writer may have under way: what one costs before the disk is waited for. */
const burstRecords = 1024

const value = Buffer.alloc(recordBytes, 7)
const batch = Array.from({ length: batchRecords }, () => value)
let sum = 0

const stores = {
  async millrace(directory) {
    const single = await openLog(join(directory, 'single-0'), { ack: 'memory' })
    const batched = await openLog(join(directory, 'batched-0'), { ack: 'memory' })
    const packing = await openLog(join(directory, 'packed-0'), { ack: 'memory' })
    const packed = new PackedRecords()
    for (const record of batch) packed.add(record)
    return {
      burst() {
        for (let index = 0; index < burstRecords; index += 1) batched.appendOne(value)
      },
      settle: () => batched.flush(),
      async append(records) {
        for (let index = 0; index < records; index += 1) single.appendOne(value)
        await single.flush()
      },
      async appendBatches(batches) {
        for (let index = 0; index < batches; index += 1) batched.append(batch)
        await batched.flush()
      },
      async appendPacked(batches) {
        for (let index = 0; index < batches; index += 1) packing.append(packed)
        await packing.flush()
      },
      read(offset) {
        sum += single.get(offset).value[0]
      },
      view(offset) {
        if (single.get(offset) === undefined) throw new Error('a record is missing')
      },
      scan() {
        for (const record of single.scan()) sum += record.value[0]
      },
      async close() {
        await Promise.all([single.close(), batched.close(), packing.close()])
      },
    }
  },

  async fs(directory) {
    const single = openSync(join(directory, 'single'), 'w+')
    const batched = openSync(join(directory, 'batched'), 'w+')
    const buffer = Buffer.alloc(recordBytes)
    const chunk = Buffer.alloc(scanBytes)
    return {
      append(records) {
        for (let index = 0; index < records; index += 1) writeSync(single, value)
      },
      appendBatches(batches) {
        for (let index = 0; index < batches; index += 1) writevSync(batched, batch)
      },
      read(index) {
        readSync(single, buffer, 0, recordBytes, index * recordBytes)
        sum += buffer[0]
      },
      scan() {
        for (let position = 0; ; ) {
          const bytes = readSync(single, chunk, 0, scanBytes, position)
          if (bytes === 0) return
          position += bytes
          for (let at = 0; at < bytes; at += recordBytes) sum += chunk.subarray(at, at + recordBytes)[0]
        }
      },
      close() {
        closeSync(single)
        closeSync(batched)
      },
    }
  },

  async lmdb(directory) {
    const options = { noSync: true, encoding: 'binary', keyEncoding: 'uint32', compression: false }
    const single = openLmdb({ path: join(directory, 'single'), ...options })
    const batched = openLmdb({ path: join(directory, 'batched'), ...options })
    return {
      async append(records) {
        let last
        for (let index = 0; index < records; index += 1) {
          last = single.put(index, value)
          // Its queue is in JavaScript memory: an unbounded one measures the collector.
          if (index % 4096 === 4095) await last
        }
        await last
      },
      appendBatches(batches) {
        for (let index = 0; index < batches; index += 1) {
          batched.transactionSync(() => {
            for (let each = 0; each < batchRecords; each += 1) void batched.put(index * batchRecords + each, value)
          })
        }
      },
      read(index) {
        sum += single.getBinaryFast(index)[0]
      },
      scan() {
        for (const { value: found } of single.getRange({})) sum += found[0]
      },
      async close() {
        await single.close()
        await batched.close()
      },
    }
  },

  async 'classic-level'(directory) {
    const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer', compression: false }
    const single = new ClassicLevel(join(directory, 'single'), encodings)
    const batched = new ClassicLevel(join(directory, 'batched'), encodings)
    await single.open()
    await batched.open()
    const keyOf = index => {
      const key = Buffer.allocUnsafe(4)
      key.writeUInt32BE(index)
      return key
    }
    return {
      async append(records) {
        let puts = []
        for (let index = 0; index < records; index += 1) {
          puts.push(single.put(keyOf(index), value))
          if (puts.length === 1024) {
            await Promise.all(puts)
            puts = []
          }
        }
        await Promise.all(puts)
      },
      async appendBatches(batches) {
        for (let index = 0; index < batches; index += 1) {
          const operations = batch.map((each, at) => ({
            type: 'put',
            key: keyOf(index * batchRecords + at),
            value: each,
          }))
          await batched.batch(operations)
        }
      },
      read(index) {
        sum += single.getSync(keyOf(index))[0]
      },
      async scan() {
        const iterator = single.iterator({ highWaterMarkBytes: 1024 * 1024 })
        for (;;) {
          const entries = await iterator.nextv(1000)
          if (entries.length === 0) break
          for (const entry of entries) sum += entry[1][0]
        }
        await iterator.close()
      },
      async close() {
        await single.close()
        await batched.close()
      },
    }
  },
}

async function nanoseconds(work) {
  const begin = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - begin)
}

/** Packed records in a run of their own: every run fills about as much new page cache as every other. */
async function measurePacked(directory, records) {
  const store = await stores.millrace(directory)
  const batches = Math.floor(records / batchRecords)
  const elapsed = await nanoseconds(() => store.appendPacked(batches))
  await store.close()
  return { packedGB: (batches * batchRecords * recordBytes) / elapsed }
}

async function measure(name, directory, records) {
  if (name === 'millrace packed') return measurePacked(directory, records)
  const store = await stores[name](directory)
  const batches = Math.floor(records / batchRecords)
  const bytes = batches * batchRecords * recordBytes
  const figures = {}
  if (store.burst !== undefined) {
    for (let warm = 0; warm < 20; warm += 1) {
      store.burst()
      await store.settle()
    }
    figures.burstNs = (await nanoseconds(() => store.burst())) / burstRecords
    await store.settle()
  }
  figures.appendNs = (await nanoseconds(() => store.append(records))) / records
  figures.batchGB = bytes / (await nanoseconds(() => store.appendBatches(batches)))
  if (store.appendPacked !== undefined)
    figures.packedGB = bytes / (await nanoseconds(() => store.appendPacked(batches)))
  const offsets = Uint32Array.from({ length: randomReads }, () => Math.floor(Math.random() * records))
  // Everybody reads what was read before: caches and page tables are filled.
  await store.scan()
  for (let index = 0; index < records; index += 1) store.read(index)
  const reads = of =>
    nanoseconds(() => {
      for (let index = 0; index < randomReads; index += 1) of(offsets[index])
    })
  figures.readNs = (await reads(store.read)) / randomReads
  figures.viewNs = store.view === undefined ? figures.readNs : (await reads(store.view)) / randomReads
  figures.scanGB = (records * recordBytes) / (await nanoseconds(() => store.scan()))
  await store.close()
  return figures
}

const [, , name, directory, records] = process.argv
process.stdout.write(`${JSON.stringify(await measure(name, directory, Number(records)))}\n`)
if (sum === 0) throw new Error('no value was looked at')
