// A worker of workers.test.ts: keeps native work under way on a log of its own and on the main thread's, until it is terminated.
import { parentPort, workerData } from 'node:worker_threads'
import { openLog } from 'millrace/log'

const { own, shared } = workerData
const log = await openLog(own, { ack: 'fsync', batchesInFlight: 2, batchBytes: 4096 })
const reader = await openLog(shared, { readOnly: true })
void (async () => {
  for await (const batch of reader.read({ follow: true })) for (const record of batch) record.value
})()
parentPort.postMessage('busy')
for (;;) {
  const pending = []
  for (let index = 0; index < 50; index += 1) pending.push(log.appendOne(`record ${index}`).durable)
  for (const record of reader.scan()) record.copy()
  await Promise.all(pending)
}
