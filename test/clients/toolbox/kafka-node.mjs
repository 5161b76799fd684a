// Owns Apache Kafka as a combined KRaft node on a data directory: formatted, started, stopped, killed. Kafka's own storage tool formats.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './free-port.mjs'
import { kafkaClassPath, kafkaTool } from './kafka-jars.mjs'

const heap = [
  '-Xmx384m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=info',
]
const READY = /Kafka Server started/
const READY_TIMEOUT_MS = 90_000

/**
 * @param {string} directory holds the configuration, the log of the process and, in `data`, what this is about
 * @param {{ overrides?: Record<string, string>, formatArgs?: readonly string[], dynamicQuorum?: boolean, nodeId?: number }} [options]
 */
export async function kafkaNode(
  directory,
  { overrides = {}, formatArgs = [], dynamicQuorum = false, nodeId = 1 } = {},
) {
  const classPath = await kafkaClassPath()
  const dataDirectory = join(directory, 'data')
  mkdirSync(directory, { recursive: true })
  const port = await freePort()
  const controllerPort = await freePort()
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A')
  const properties = join(directory, 'server.properties')
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': String(nodeId),
    ...(dynamicQuorum
      ? { 'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}` }
      : { 'controller.quorum.voters': `${nodeId}@127.0.0.1:${controllerPort}` }),
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
    'log.dirs': dataDirectory,
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '5',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.num.partitions': '5',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.num.partitions': '5',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    'log.cleaner.backoff.ms': '500',
    ...overrides,
  }
  writeFileSync(
    properties,
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
  const { bootstrap } = { bootstrap: `127.0.0.1:${port}` }
  return {
    bootstrap,
    controller: `127.0.0.1:${controllerPort}`,
    clusterId,
    nodeId,
    directory,
    dataDirectory,
    properties,
    logFile: join(directory, 'server.log'),
    format: () =>
      kafkaTool('kafka.tools.StorageTool', [
        'format',
        '-t',
        clusterId,
        '-c',
        properties,
        ...(dynamicQuorum ? ['--standalone'] : []),
        ...formatArgs,
      ]),
    async start() {
      const child = spawn('java', [...heap, '-cp', classPath, 'kafka.Kafka', properties], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const sink = createWriteStream(join(directory, 'server.log'), { flags: 'a' })
      const ended = new Promise(done => child.on('exit', (code, signal) => done(signal ?? code)))
      let text = ''
      await new Promise((done, fail) => {
        const timer = setTimeout(() => {
          child.kill('SIGKILL')
          fail(new Error(`Apache Kafka was not ready in time:\n${text.slice(-4000)}`))
        }, READY_TIMEOUT_MS)
        const watch = chunk => {
          sink.write(chunk)
          text += chunk
          if (!READY.test(text)) return
          clearTimeout(timer)
          done(undefined)
        }
        child.stdout.setEncoding('utf8').on('data', watch)
        child.stderr.setEncoding('utf8').on('data', watch)
        void ended.then(how => {
          clearTimeout(timer)
          fail(new Error(`Apache Kafka ended with ${how} before it was ready:\n${text.slice(-6000)}`))
        })
      })
      return {
        pid: child.pid,
        /** Everything it has said. */
        output: () => text,
        async stop(signal = 'SIGTERM') {
          child.kill(/** @type {NodeJS.Signals} */ (signal))
          const how = await ended
          sink.end()
          return how
        },
      }
    },
  }
}
