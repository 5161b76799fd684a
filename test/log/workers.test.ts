// Native work under way when its thread or its process ends: nothing crashes, and what was written is whole.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLog } from '#log'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-workers-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function run(...args: string[]): {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
} {
  const program = join(import.meta.dirname, 'worker-program.mjs')
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' })
  return { status, signal, stdout, stderr }
}

test('200 workers are terminated while native work is pending', () => {
  const { stdout, ...ending } = run('terminate', directory, '200')
  expect(ending).toEqual({ status: 0, signal: null, stderr: '' })
  const { end, records } = JSON.parse(stdout) as { end: number; records: number }
  expect(end).toBe(202)
  expect(records).toBeGreaterThan(0)
}, 120_000)

test('a process exits in the middle of it, and what it had appended is written', async () => {
  expect(run('exit', directory)).toEqual({ status: 7, signal: null, stdout: '', stderr: '' })
  await using log = await openLog(join(directory, 'shared-0'))
  expect(log.endOffset).toBe(102n)
})
