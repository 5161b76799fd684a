// Owns the creation of topics nobody asked for by name: on first use, and the broker's own. Never decides a placement.
// Invariant: a name is being created at most once at a time here; `ensure` resolves when the topic takes writes.
import { createTopics, ErrorCode } from '#protocol'
import type { ForwardContext } from './controller-channel.ts'
import type { BrokerServices } from './request-context.ts'
import { GROUP_TOPIC } from './topic-names.ts'

/** -1 = the broker's default. */
const BROKER_DEFAULT = -1
const CREATE_TOPICS_VERSION = 7
const CREATE_TIMEOUT_MS = 30_000

interface NewTopic {
  readonly name: string
  readonly numPartitions: number
  readonly replicationFactor: number
  readonly configs: readonly { readonly name: string; readonly value: string }[]
}

export class AutoCreate {
  readonly #services: () => BrokerServices
  readonly #creating = new Map<string, Promise<number>>()

  constructor(services: () => BrokerServices) {
    this.#services = services
  }

  /** Creates what does not exist yet. The result holds the error code of each name that could not be made. */
  async ensure(names: readonly string[], context: ForwardContext): Promise<ReadonlyMap<string, number>> {
    const failures = new Map<string, number>()
    await Promise.all(
      names.map(async name => {
        const errorCode = await this.#ensureOne(name, context)
        if (errorCode !== ErrorCode.NONE) failures.set(name, errorCode)
      }),
    )
    return failures
  }

  /** The topic of the group coordinators, made on the first request that needs it; resolves when they answer. */
  async ensureGroupTopic(context: ForwardContext): Promise<void> {
    const failures = await this.ensure([GROUP_TOPIC], context)
    const errorCode = failures.get(GROUP_TOPIC)
    if (errorCode !== undefined) {
      this.#services().host.logger.error('the group topic cannot be created', { topic: GROUP_TOPIC, errorCode })
    }
    await this.#services().coordinatorsLoaded()
  }

  async #ensureOne(name: string, context: ForwardContext): Promise<number> {
    if (this.#services().image().topics.byName(name) !== undefined) return ErrorCode.NONE
    let creating = this.#creating.get(name)
    if (creating === undefined) {
      creating = this.#create(name, context).finally(() => this.#creating.delete(name))
      this.#creating.set(name, creating)
    }
    return creating
  }

  async #create(name: string, context: ForwardContext): Promise<number> {
    const topic = name === GROUP_TOPIC ? this.#groupTopic() : plainTopic(name)
    const response = await this.#services().forward(
      createTopics,
      CREATE_TOPICS_VERSION,
      { topics: [topic], timeoutMs: CREATE_TIMEOUT_MS },
      context,
    )
    const errorCode = response.topics[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
    // Someone else made it first: as good, and `forward` waited until we see it.
    return errorCode === ErrorCode.TOPIC_ALREADY_EXISTS ? ErrorCode.NONE : errorCode
  }

  #groupTopic(): NewTopic {
    const { config } = this.#services()
    return {
      name: GROUP_TOPIC,
      numPartitions: config.get('offsets.topic.num.partitions'),
      replicationFactor: config.get('offsets.topic.replication.factor'),
      configs: [
        { name: 'compression.type', value: 'producer' },
        { name: 'cleanup.policy', value: 'compact' },
        { name: 'segment.bytes', value: String(config.get('offsets.topic.segment.bytes')) },
      ],
    }
  }
}

function plainTopic(name: string): NewTopic {
  return { name, numPartitions: BROKER_DEFAULT, replicationFactor: BROKER_DEFAULT, configs: [] }
}
