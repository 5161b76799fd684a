// Owns `millrace start`: configuration, the broker's life in this process, signals, what is printed.
// Never prints a stack for a mistake the user can mend: one line that names it and what to do.
import { resolve } from 'node:path'
import { Broker } from '#broker'
import { BrokerConfig, parseOverride } from '#config'
import { realHost } from '#host'
import { CommandFailure, ExitCode } from './exit-codes.ts'
import type { StartFlags } from './start-command.ts'
import { startFailure } from './start-failure.ts'

/** An open handle, so that an idle broker stays: none of its own keeps the process alive. */
const KEEP_ALIVE_MS = 2 ** 30
const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const
const SIGNAL_STATUS = 128
const MS_PER_SECOND = 1000

export async function start(flags: StartFlags, file?: string): Promise<void> {
  const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS)
  // From here on: a signal during the start stops the broker as soon as it is up.
  const signalled = firstSignal()
  try {
    const broker = await startBroker(flags, file)
    process.stdout.write(flags.json ? readyJson(broker) : readyText(broker))
    const failure = await Promise.race([signalled, broker.failed])
    await broker.stop()
    if (failure !== null) throw new CommandFailure(ExitCode.DATA_DIRECTORY, failure.message, { cause: failure })
  } finally {
    clearInterval(keepAlive)
  }
}

async function startBroker(flags: StartFlags, file: string | undefined): Promise<Broker> {
  try {
    const overrides = new Map((flags.override ?? []).map(parseOverride))
    const config = BrokerConfig.load(file === undefined ? { overrides } : { file, overrides })
    return await Broker.start(config, realHost({ level: flags.logLevel }))
  } catch (error) {
    throw startFailure(error)
  }
}

function firstSignal(): Promise<null> {
  return new Promise(resolveSignalled => {
    let stopping = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        // The user means it: leave the log to recovery.
        if (stopping) process.exit(SIGNAL_STATUS + SIGNAL_NUMBERS[signal])
        stopping = true
        resolveSignalled(null)
      })
    }
  })
}

function readyMs(): number {
  return Math.round(process.uptime() * MS_PER_SECOND)
}

function readyJson(broker: Broker): string {
  const { nodeId, clusterId, listeners, logDirs } = broker
  return `${JSON.stringify({ nodeId, clusterId, listeners, logDirs: logDirs.map(dir => resolve(dir)), readyMs: readyMs() })}\n`
}

function readyText(broker: Broker): string {
  const addresses = broker.listeners.map(({ name, host, port }) => `${address(host, port)} (${name})`)
  const [first] = broker.listeners
  const bootstrap = first === undefined ? '' : address(first.host, first.port)
  const at = bootstrap === '127.0.0.1:9092' ? '' : ` -b ${bootstrap}`
  return [
    `Millrace is ready in ${readyMs()} ms`,
    `  listening on  ${addresses.join(', ')}`,
    `  data in       ${broker.logDirs.map(dir => resolve(dir)).join(', ')}`,
    `  try           echo hello | npx millrace produce greetings${at}`,
    `                npx millrace consume greetings${at}`,
    '',
  ].join('\n')
}

function address(host: string, port: number): string {
  const reachable = host === '' || host === '0.0.0.0' ? 'localhost' : host
  return reachable.includes(':') ? `[${reachable}]:${port}` : `${reachable}:${port}`
}
