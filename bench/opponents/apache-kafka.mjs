// Owns Apache Kafka as the peer: one combined KRaft node from Maven jars, 1 GB heap, G1, as its own start script sets it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { kafkaClassPath, kafkaVersion } from '../../test/clients/toolbox/kafka-jars.mjs'
import { freePort } from '../../test/clients/toolbox/free-port.mjs'
import { runLoad, startServer } from './child.mjs'

const heap = [
  '-Xms1G',
  '-Xmx1G',
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
]
const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'

/** A formatted, not yet started node in `directory`. */
export async function formatKafka(directory) {
  const classPath = await kafkaClassPath()
  mkdirSync(directory, { recursive: true })
  const port = await freePort()
  const controllerPort = await freePort()
  const properties = join(directory, 'server.properties')
  writeFileSync(
    properties,
    `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=${join(directory, 'data')}
num.partitions=6
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.segment.delete.delay.ms=500
log.segment.bytes=1073741824
`,
  )
  const java = (...args) => runLoad('java', [quiet, '-cp', classPath, ...args])
  const id = (await java('kafka.tools.StorageTool', 'random-uuid')).stdout.trim().split('\n').at(-1)
  await java('kafka.tools.StorageTool', 'format', '-t', id, '-c', properties)
  return {
    name: `Apache Kafka ${kafkaVersion}`,
    bootstrap: `127.0.0.1:${port}`,
    port,
    start: () =>
      startServer(
        'java',
        [...heap, '-Dorg.slf4j.simpleLogger.defaultLogLevel=info', '-cp', classPath, 'kafka.Kafka', properties],
        {
          ready: /Kafka Server started/,
          logFile: join(directory, 'server.log'),
        },
      ),
  }
}

export async function startKafka(directory) {
  const node = await formatKafka(directory)
  const server = await node.start()
  return { ...node, ...server }
}
