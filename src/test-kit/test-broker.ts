// Owns the life of a broker in a test: free port, settings that suit tests, data that goes away.
// Never keeps the process alive. Invariant: its directory is removed when it stops, or when the process ends.
import { Broker, holdingProcess } from '#broker'
import { BrokerConfig } from '#config'
import { type LogLevel, realHost } from '#host'
import { createTopics, KafkaError } from '#protocol'
import { makeDataDirectory, removeDataDirectory } from './data-directory.ts'

export interface TestTopic {
  /** Default 1. */
  readonly partitions?: number
  /** Topic settings by Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>
}

export interface TestBrokerOptions {
  /** Topics that exist when `startBroker` returns, by name. */
  readonly topics?: Readonly<Record<string, TestTopic>>
  /** Where the data is: `'memory'` (default; a directory in memory where the system has one) or `'disk'` (the temporary
   *  directory). Either is removed on stop. A path is used as it is and kept. */
  readonly storage?: 'memory' | 'disk' | { readonly path: string }
  /** Default 0: a free port. */
  readonly port?: number
  /** Broker settings by Kafka's names, over those of the kit. */
  readonly settings?: Readonly<Record<string, string>>
  /** What the broker logs to standard error; default `'silent'`. */
  readonly log?: LogLevel
}

/** What tests want and production does not: no wait for more members, and few partitions to open. */
const TEST_SETTINGS: Readonly<Record<string, string>> = {
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '4',
}
const CREATE_TOPICS_VERSION = 7
const CREATE_TIMEOUT_MS = 30_000
const TEST_KIT = { clientId: 'test-kit', clientHost: '/127.0.0.1', listenerName: '' }

/** A running broker. Dispose it, or call `stop`; left running it ends with the process. */
export class TestBroker {
  /** `127.0.0.1:<port>`: the bootstrap address for any Kafka client. */
  readonly bootstrap: string
  readonly host = '127.0.0.1'
  readonly port: number
  /** The broker itself, as production runs it. */
  readonly broker: Broker
  readonly #temporaryDirectory: string | null

  constructor(broker: Broker, temporaryDirectory: string | null) {
    this.broker = broker
    this.port = broker.listeners[0]?.port ?? 0
    this.bootstrap = `${this.host}:${this.port}`
    this.#temporaryDirectory = temporaryDirectory
  }

  /** The name Testcontainers has for `bootstrap`. */
  getBootstrapServers(): string {
    return this.bootstrap
  }

  /** Environment variables by which programs under test commonly look for a broker. */
  env(): Record<string, string> {
    return { KAFKA_BROKERS: this.bootstrap, KAFKA_BOOTSTRAP_SERVERS: this.bootstrap, BOOTSTRAP_SERVERS: this.bootstrap }
  }

  async createTopic(name: string, topic: TestTopic = {}): Promise<void> {
    const request = {
      topics: [
        {
          name,
          numPartitions: topic.partitions ?? 1,
          replicationFactor: -1,
          configs: Object.entries(topic.configs ?? {}).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: CREATE_TIMEOUT_MS,
    }
    const { services } = this.broker
    const response = await holdingProcess(() =>
      services.forward(createTopics, CREATE_TOPICS_VERSION, request, TEST_KIT),
    )
    const [result] = response.topics
    if (result !== undefined && result.errorCode !== 0) throw KafkaError.of(result.errorCode, result.errorMessage)
  }

  async stop(): Promise<void> {
    await this.broker.stop()
    if (this.#temporaryDirectory !== null) removeDataDirectory(this.#temporaryDirectory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** Starts a real broker for a test, in this process, in some tens of milliseconds.
 *
 *  ```ts
 *  import { startBroker } from 'millrace/test'
 *
 *  const kafka = await startBroker({ topics: { orders: { partitions: 3 } } })
 *  kafka.bootstrap // '127.0.0.1:49213': give it to any Kafka client
 *  await kafka.stop() // or: await using kafka = await startBroker()
 *  ```
 *
 *  Any number may run side by side; none keeps the process alive. Throws ConfigError for a setting that does not exist. */
export async function startBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const { storage = 'memory' } = options
  const temporaryDirectory = typeof storage === 'object' ? null : makeDataDirectory(storage)
  const directory = typeof storage === 'object' ? storage.path : (temporaryDirectory as string)
  try {
    const config = BrokerConfig.load({
      overrides: {
        ...TEST_SETTINGS,
        listeners: `PLAINTEXT://127.0.0.1:${options.port ?? 0}`,
        'log.dirs': directory,
        ...options.settings,
      },
    })
    const broker = await Broker.start(config, realHost({ level: options.log ?? 'silent' }))
    return await withTopics(new TestBroker(broker, temporaryDirectory), options.topics ?? {})
  } catch (error) {
    if (temporaryDirectory !== null) removeDataDirectory(temporaryDirectory)
    throw error
  }
}

async function withTopics(kafka: TestBroker, topics: Readonly<Record<string, TestTopic>>): Promise<TestBroker> {
  try {
    for (const [name, topic] of Object.entries(topics)) await kafka.createTopic(name, topic)
    return kafka
  } catch (error) {
    await kafka.stop()
    throw error
  }
}
