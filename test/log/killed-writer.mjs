// The writer of crashes.test.ts: appends numbered records until it is killed, and says on standard output which are safe.
import { openLog } from 'millrace/log'

const [, , directory, ack] = process.argv
const log = await openLog(directory, {
  ack,
  segmentBytes: 1024 * 1024,
  batchBytes: 8192,
  retentionBytes: 64 * 1024 * 1024,
})
let next = Number(log.endOffset)
for (;;) {
  let last
  for (let index = 0; index < 40; index += 1) {
    last = log.appendOne({ key: String(next), value: `${next}:${'x'.repeat(next % 700)}` })
    next += 1
  }
  await last.durable
  process.stdout.write(`${next}\n`)
}
