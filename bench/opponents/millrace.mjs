// Owns Millrace as it is started by its users: the command line in a process of its own.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../../test/clients/toolbox/cache.mjs'
import { freePort } from '../../test/clients/toolbox/free-port.mjs'
import { startServer } from './child.mjs'

export const millraceCommand = join(repositoryRoot, 'dist', 'cli', 'main.cjs')

/** A node that is not yet started; `start` may be called again after a stop. */
export async function prepareMillrace(directory, overrides = {}) {
  mkdirSync(directory, { recursive: true })
  const port = await freePort()
  const settings = {
    listeners: `PLAINTEXT://127.0.0.1:${port}`,
    'log.dirs': join(directory, 'data'),
    'num.partitions': 6,
    'group.initial.rebalance.delay.ms': 0,
    'log.segment.delete.delay.ms': 500,
    ...overrides,
  }
  const args = Object.entries(settings).flatMap(([key, value]) => ['--override', `${key}=${value}`])
  return {
    name: 'Millrace',
    bootstrap: `127.0.0.1:${port}`,
    port,
    start: () =>
      startServer(process.execPath, [millraceCommand, 'start', ...args], {
        ready: /ready in/i,
        logFile: join(directory, 'server.log'),
      }),
  }
}

export async function startMillrace(directory, overrides) {
  const node = await prepareMillrace(directory, overrides)
  const server = await node.start()
  return { ...node, ...server }
}
