// Owns the bare loops of bench/limits: built on first use, started on a free port, loaded by their own load half.
import { existsSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot, run } from '../../test/clients/toolbox/cache.mjs'
import { freePort } from '../../test/clients/toolbox/free-port.mjs'
import { runLoad, startServer } from './child.mjs'

const directory = join(repositoryRoot, 'bench', 'limits')
const binary = join(directory, 'target', 'release', 'millrace-limits')

async function limitsBinary() {
  if (!existsSync(binary)) await run('cargo', ['build', '--release', '--locked'], { cwd: directory })
  return binary
}

/** Starts `produce`, `fetch` or `echo` with what that loop needs beside its port. */
export async function startLimit(loop, { logFile, argument }) {
  const port = await freePort()
  const args = [loop, String(port), ...(argument === undefined ? [] : [argument])]
  const server = await startServer(await limitsBinary(), args, { ready: /ready/, logFile, keepInputOpen: true })
  return { ...server, port }
}

/** Runs a load half and returns what it printed. */
export async function limitLoad(...args) {
  const { stdout } = await runLoad(await limitsBinary(), args.map(String))
  return JSON.parse(stdout)
}

/** Makes this much free memory one that the host has behind it, just before a run that will fill it: see bench/README.md. */
export const touchMemory = bytes => limitLoad('touch', Math.ceil(bytes))

/** Connections that ask once and are silent until `stop`. */
export async function startIdleConnections(address, count) {
  const logFile = join(tmpdir(), `millrace-idle-${process.pid}.log`)
  const opener = await startServer(await limitsBinary(), ['idle-connections', address, String(count)], {
    ready: /ready/,
    logFile,
    keepInputOpen: true,
  })
  return {
    stop: async () => {
      await opener.stop()
      rmSync(logFile, { force: true })
    },
  }
}
