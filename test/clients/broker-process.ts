// Owns a Millrace broker started as its users start it: the command line in a process of its own, on a free port.
// With MILLRACE_TEST_BOOTSTRAP set the client tests run against that broker instead (Apache Kafka, to check the tests themselves).
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot } from './toolbox/cache.mjs'
import { freePort } from './toolbox/free-port.mjs'

export interface BrokerProcess {
  readonly bootstrap: string
  readonly dataDirectory: string
  readonly pid: number
  /** What it printed since it was last started. */
  readonly output: string
  /** Resolves with the exit code, or the signal's name, when the process is gone. */
  ended(): Promise<number | NodeJS.Signals | null>
  /** Ends the process by a signal and waits for it; resolves with the exit code, or the signal's name. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>
  /** Starts again on the same port and data, under `wrapper` (a command and its arguments) if one is given. */
  restart(wrapper?: readonly string[]): Promise<void>
  /** Stops and removes the data. */
  remove(): Promise<void>
}

export async function startBrokerProcess(overrides: Record<string, string | number> = {}): Promise<BrokerProcess> {
  const given = process.env.MILLRACE_TEST_BOOTSTRAP
  if (given !== undefined) return foreign(given)
  const dataDirectory = mkdtempSync(join(tmpdir(), 'millrace-clients-'))
  const port = await freePort()
  const settings: Record<string, string | number> = {
    listeners: `PLAINTEXT://127.0.0.1:${port}`,
    'log.dirs': dataDirectory,
    'num.partitions': 4,
    'group.initial.rebalance.delay.ms': 100,
    ...overrides,
  }
  const args = Object.entries(settings).flatMap(([key, value]) => ['--override', `${key}=${value}`])
  let life = begin(args)
  await life.ready
  const broker: BrokerProcess = {
    bootstrap: `127.0.0.1:${port}`,
    dataDirectory,
    get pid() {
      return life.child.pid ?? -1
    },
    get output() {
      return life.output()
    },
    ended: () => life.ended,
    async stop(signal = 'SIGTERM') {
      life.child.kill(signal)
      return life.ended
    },
    async restart(wrapper = []) {
      life = begin(args, wrapper)
      await life.ready
    },
    async remove() {
      await broker.stop()
      rmSync(dataDirectory, { recursive: true, force: true })
    },
  }
  return broker
}

/** `millrace start` with these arguments, ready. */
export async function startMillrace(args: readonly string[]): Promise<ChildProcess> {
  const life = begin(args)
  await life.ready
  return life.child
}

interface Life {
  readonly child: ChildProcess
  /** Resolves when the broker says that it is ready; rejects when it ends before. */
  readonly ready: Promise<void>
  readonly ended: Promise<number | NodeJS.Signals | null>
  output(): string
}

function begin(args: readonly string[], wrapper: readonly string[] = []): Life {
  const start = [join(repositoryRoot, 'dist', 'cli', 'main.cjs'), 'start', ...args]
  const [command = process.execPath, ...rest] = [...wrapper, process.execPath, ...start]
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const ready = new Promise<void>((done, fail) => {
    const watch = (chunk: string) => {
      output += chunk
      if (/ready in/i.test(output)) done()
    }
    child.stdout.setEncoding('utf8').on('data', watch)
    child.stderr.setEncoding('utf8').on('data', watch)
    child.once('exit', code => fail(new Error(`the broker ended with ${code} before it was ready:\n${output}`)))
  })
  // Whoever cuts a start short hears of its end from `ended`.
  ready.catch(() => {})
  const ended = new Promise<number | NodeJS.Signals | null>(done =>
    child.once('exit', (code, signal) => done(signal ?? code)),
  )
  return { child, ready, ended, output: () => output }
}

function foreign(bootstrap: string): BrokerProcess {
  const refuse = async () => {
    throw new Error('a broker that was given cannot be restarted')
  }
  const ended = () => new Promise<null>(() => {})
  return {
    bootstrap,
    dataDirectory: '',
    pid: -1,
    output: '',
    ended,
    stop: async () => 0,
    restart: refuse,
    remove: async () => {},
  }
}
