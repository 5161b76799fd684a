// The main thread of workers.test.ts: `terminate DIRECTORY COUNT` ends workers in the middle of native work; `exit DIRECTORY` ends the process.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { openLog } from 'millrace/log'

const [, , what, directory, count] = process.argv
const worker = new URL('./terminated-worker.mjs', import.meta.url)
const shared = join(directory, 'shared-0')

/** Resolves when the worker's work is under way. */
function busyWorker(index) {
  const started = new Worker(worker, { workerData: { own: join(directory, `own-${index}`), shared } })
  return new Promise((resolve, reject) => {
    started.once('message', () => resolve(started))
    started.once('error', reject)
  })
}

const log = await openLog(shared, { ack: 'written' })
await log.append(['first', 'second']).durable
if (what === 'exit') {
  await Promise.all([0, 1, 2].map(busyWorker))
  for (let index = 0; index < 100; index += 1) void log.appendOne('pending', { ack: 'fsync' }).durable
  process.exit(7)
}

const AT_ONCE = 8
for (let begun = 0; begun < Number(count); begun += AT_ONCE) {
  const workers = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => busyWorker(begun + index)))
  await Promise.all(
    workers.map(async each => {
      await sleep(Math.random() * 10)
      void log.appendOne('more')
      await each.terminate()
    }),
  )
}
await log.sync()
// What the workers had is whole, and nobody holds it any more.
let records = 0
for (let index = 0; index < Number(count); index += 1) {
  const own = await openLog(join(directory, `own-${index}`))
  for (const record of own.scan()) {
    if (!String(record.value).startsWith('record ')) throw new Error('a record is not what was appended')
    records += 1
  }
  await own.close()
}
const end = log.endOffset
await log.close()
process.stdout.write(JSON.stringify({ end: Number(end), records }))
