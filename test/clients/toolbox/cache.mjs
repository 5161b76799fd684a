// Owns where downloaded foreign tools live and how a command is run for its output. Never fetches anything itself.
// The cache is inside the checkout (ignored by git), or where MILLRACE_TOOLS points, so that several clones can share one.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repositoryRoot = resolve(fileURLToPath(new URL('../../..', import.meta.url)))

/** Directory for one tool, created on first use. */
export function toolDirectory(name) {
  const directory = join(process.env.MILLRACE_TOOLS ?? join(repositoryRoot, '.cache'), name)
  mkdirSync(directory, { recursive: true })
  return directory
}

/** A tool this machine lacks and could not be given: the caller names the group as not run. */
export class MissingTool extends Error {
  constructor(tool, reason) {
    super(`${tool} is not available: ${reason}`)
    this.name = 'MissingTool'
    this.tool = tool
  }
}

export function onPath(command) {
  const found = spawnSync('sh', ['-c', `command -v ${command}`], { encoding: 'utf8' })
  return found.status === 0 ? found.stdout.trim() : undefined
}

/**
 * @typedef {{ code: number | null, signal: NodeJS.Signals | null, stdout: string, stderr: string }} Ended
 */

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, input?: string, timeoutMs?: number, allowFailure?: boolean }} [options]
 * @returns {Promise<Ended>}
 * Runs to completion; rejects with the tail of both streams when the exit code is not 0 (unless `allowFailure`).
 */
export function run(command, args, { cwd, env, input, timeoutMs = 600_000, allowFailure = false } = {}) {
  return new Promise((resolvePromise, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', chunk => (stdout += chunk))
    child.stderr.setEncoding('utf8').on('data', chunk => (stderr += chunk))
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (code === 0 || allowFailure) resolvePromise({ code, signal, stdout, stderr })
      else
        reject(
          new Error(
            `${command} ${args.join(' ')} ended with ${signal ?? code}\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`,
          ),
        )
    })
    child.stdin.on('error', () => {
      // The child closed its input early; its exit code tells the story.
    })
    child.stdin.end(input ?? '')
  })
}

/** Debian packages by name; needs root. The index is refreshed once when a package is unknown. */
export async function aptInstall(tool, packages) {
  if (!onPath('apt-get') || process.getuid?.() !== 0)
    throw new MissingTool(tool, 'apt-get as root is needed to install it')
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const args = ['install', '-y', '--no-install-recommends', ...packages]
  const first = await run('apt-get', args, { env, allowFailure: true })
  if (first.code === 0) return
  await run('apt-get', ['update'], { env, allowFailure: true })
  const second = await run('apt-get', args, { env, allowFailure: true })
  if (second.code !== 0) throw new MissingTool(tool, second.stderr.trim().split('\n').at(-1) ?? 'apt-get failed')
}
