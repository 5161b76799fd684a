// Owns how a verb shows its long steps and how it knows that a step is up to date. Never decides which steps a verb has.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = resolve(fileURLToPath(new URL('..', import.meta.url)))

/** Runs a command in the repository with its output shown as it comes; rejects when it fails. */
export function show(command, args, { env, cwd = root } = {}) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit', env: { ...process.env, ...env } })
    child.on('error', fail)
    child.on('close', (code, signal) =>
      code === 0 ? done() : fail(new StepFailed(`${command} ${args.join(' ')}`, signal ?? code)),
    )
  })
}

export class StepFailed extends Error {
  constructor(what, how) {
    super(`${what} ended with ${how}`)
    this.name = 'StepFailed'
  }
}

/** Announces a step, runs it, and says how long it took. */
export async function step(title, work) {
  const started = performance.now()
  process.stdout.write(`· ${title}\n`)
  await work()
  process.stdout.write(`✓ ${title} (${((performance.now() - started) / 1000).toFixed(1)} s)\n`)
}

/** Names, sizes and contents of the files under some paths, as one hash. */
export function fingerprint(paths, { skip = new Set(['target', 'node_modules', 'dist']) } = {}) {
  const hash = createHash('sha256').update(process.version)
  const visit = path => {
    const absolute = join(root, path)
    if (!existsSync(absolute)) return
    if (statSync(absolute).isDirectory()) {
      for (const name of readdirSync(absolute).sort()) if (!skip.has(name)) visit(join(path, name))
      return
    }
    hash.update(path).update('\0').update(readFileSync(absolute))
  }
  for (const path of paths) visit(path)
  return hash.digest('hex')
}

/** Runs `work` unless the inputs are those of the last success and every output still exists. */
export async function whenChanged(name, { inputs, outputs, title, work }) {
  const stamp = join(root, '.cache', 'stamps', name)
  const now = fingerprint(inputs)
  const fresh =
    existsSync(stamp) && readFileSync(stamp, 'utf8') === now && outputs.every(path => existsSync(join(root, path)))
  if (fresh) return false
  await step(title, work)
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, now)
  return true
}

/** Ends the verb with one clear line when a step fails. */
export async function main(work) {
  try {
    await work()
  } catch (error) {
    process.stderr.write(`✗ ${error instanceof StepFailed ? error.message : (error?.stack ?? error)}\n`)
    process.exitCode = 1
  }
}
