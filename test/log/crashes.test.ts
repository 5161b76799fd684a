// kill -9 of a writer, again and again on one log: what was acknowledged is there, every record is the right one, and nothing lies between.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLog } from '#log'

const CYCLES = Number(process.env.MILLRACE_LOG_KILL_CYCLES ?? 8)

let parent: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'millrace-crashes-'))
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

test.each(['written', 'fsync'])('what is acknowledged as %s survives kill -9', async ack => {
  const dir = join(parent, 'killed-0')
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const writer: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'killed-writer.mjs'), dir, ack], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    writer.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
    while (!output.includes('\n')) await sleep(5)
    await sleep(Math.random() * 150)
    writer.kill('SIGKILL')
    await once(writer, 'close')
    const acknowledged = Number(output.trimEnd().split('\n').at(-1))
    await using log = await openLog(dir)
    expect(Number(log.endOffset)).toBeGreaterThanOrEqual(acknowledged)
    let expected = Number(log.startOffset)
    for (const record of log.scan()) {
      const whole = `${expected}:${'x'.repeat(expected % 700)}`
      if (
        record.offset !== BigInt(expected) ||
        String(record.value) !== whole ||
        String(record.key) !== String(expected)
      ) {
        expect(`${record.offset} ${String(record.value)}`).toBe(`${expected} ${whole}`)
      }
      expected += 1
    }
    expect(BigInt(expected)).toBe(log.endOffset)
  }
})
