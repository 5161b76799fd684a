// Owns one broker that is asked the cases, ours or another: its address, its topics' ids, what earlier answers left for later requests.
// Never decides what is right. Invariant: requests of one peer go out one at a time, in the order of the cases.
import {
  type Api,
  createPartitions,
  createTopics,
  decodeResponseFrame,
  deleteTopics,
  encodeRequestFrame,
  incrementalAlterConfigs,
  metadata,
  produce,
  type RequestInput,
} from '#protocol'
import { WireClient } from '../../scenarios/wire-client.ts'
import type { AnswerCase } from './answer-case.ts'

/** No topic has it. */
export const UNKNOWN_TOPIC_ID = 'abcdefghijklmnopqrstuw'
/** A broker that says nothing for so long has no answer. */
const SILENT_MS = 3000
/** COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: not yet. */
const NOT_READY = /"errorCode":(14|15|16)\b/
const CHANGING: ReadonlySet<number> = new Set(
  [createTopics, createPartitions, deleteTopics, incrementalAlterConfigs].map(({ key }) => key),
)

export type Answer = object | 'closed' | 'silent'

export class Peer {
  readonly #port: number
  readonly #settleMs: number
  readonly #topicIds = new Map<string, string>()
  /** By session, offset, ... : what a case keeps for the next. */
  readonly kept = new Map<string, number>()
  #client: WireClient | undefined
  #correlationId = 0

  /** `settleMs`: how long after a change the broker may still answer as before. Ours: not at all. */
  constructor(port: number, settleMs: number) {
    this.#port = port
    this.#settleMs = settleMs
  }

  async ask(each: AnswerCase, version: number): Promise<Answer> {
    let answer: Answer = 'silent'
    await eventually(async () => {
      answer = await this.send(each.api, version, each.request(version, this), each.clientId)
      return !NOT_READY.test(JSON.stringify(answer, (_key, value) => (typeof value === 'bigint' ? `${value}` : value)))
    })
    if (CHANGING.has(each.api.key)) await pause(this.#settleMs)
    return answer
  }

  async send(api: Api, version: number, request: RequestInput<Api>, clientId: string): Promise<Answer> {
    this.#client ??= await WireClient.open(this.#port)
    this.#correlationId += 1
    const header = { correlationId: this.#correlationId, clientId }
    this.#client.sendFrame(encodeRequestFrame(api, version, header, request))
    const frame = await within(SILENT_MS, this.#client.nextFrame())
    if (frame === null || frame === 'silent') {
      this.close()
      return frame ?? 'closed'
    }
    return decodeResponseFrame(api, version, frame).response as object
  }

  topicId(name: string): string {
    return this.#topicIds.get(name) ?? UNKNOWN_TOPIC_ID
  }

  topicName(topicId: string): string | undefined {
    for (const [name, id] of this.#topicIds) if (id === topicId) return name
    return undefined
  }

  /** The field that names a topic, by name or by id. */
  named(name: string, byId: boolean): { readonly name: string } | { readonly topicId: string } {
    return byId ? { topicId: this.topicId(name) } : { name }
  }

  async createTopic(name: string, partitions: number, configs: Readonly<Record<string, string>>): Promise<void> {
    const topic = {
      name,
      numPartitions: partitions,
      replicationFactor: 1,
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    }
    await this.send(createTopics, 7, { topics: [topic], timeoutMs: 10_000 }, 'wire')
    await eventually(async () => {
      const answer = (await this.send(metadata, 12, { topics: [{ name }], allowAutoTopicCreation: false }, 'wire')) as {
        topics: { errorCode: number; topicId: string; partitions: { errorCode: number }[] }[]
      }
      const [made] = answer.topics
      if (made?.errorCode === 0) this.#topicIds.set(name, made.topicId)
      return made?.errorCode === 0 && made.partitions.every(({ errorCode }) => errorCode === 0)
    })
  }

  async fill(name: string, index: number, batches: readonly Buffer[]): Promise<void> {
    for (const records of batches) {
      const request = { acks: -1, timeoutMs: 5000, topicData: [{ name, partitionData: [{ index, records }] }] }
      await eventually(async () => {
        const answer = (await this.send(produce, 12, request, 'wire')) as {
          responses: { partitionResponses: { errorCode: number }[] }[]
        }
        return answer.responses[0]?.partitionResponses[0]?.errorCode === 0
      })
    }
  }

  close(): void {
    this.#client?.close()
    this.#client = undefined
  }
}

/** Ours needs one attempt; other brokers say for a moment that a new partition has no leader. */
async function eventually(succeeds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (await succeeds()) return
    await pause(50)
  }
  throw new Error('the peer does not get ready')
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => (ms === 0 ? resolve() : setTimeout(resolve, ms)))
}

function within<T>(ms: number, promise: Promise<T>): Promise<T | 'silent'> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve('silent'), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
