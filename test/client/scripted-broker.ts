// A broker that answers as a test tells it to: for what a healthy one never does. Real sockets, real frames, no state of its own.
import { createServer, type Server, type Socket } from 'node:net'
import {
  type Api,
  apiVersions,
  decodeRequest,
  decodeRequestFrame,
  describeTopicPartitions,
  encodeResponseFrame,
  fetch,
  findCoordinator,
  initProducerId,
  listOffsets,
  metadata,
  produce,
  type RequestOf,
  type ResponseInput,
} from '#protocol'

export interface Asked {
  readonly version: number
  readonly connection: number
  /** How many requests of this API came before. */
  readonly before: number
  readonly clientId: string
}

/** An answer, 'none' (acks=0 gets none), 'silence' (and nothing after it), or 'hang-up'; a Buffer goes out as it is, as a whole frame body. */
export type Answer<A extends Api> = ResponseInput<A> | 'none' | 'silence' | 'hang-up' | Buffer

type Handler = (request: never, asked: Asked) => Answer<Api> | Promise<Answer<Api>>

export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAZQ'

/** What the clients under test use, in the versions a 4.x broker speaks. */
const SERVED: readonly Api[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  findCoordinator,
  initProducerId,
  describeTopicPartitions,
]

export class ScriptedBroker {
  readonly bootstrap: string
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #handlers: Map<number, Handler>
  readonly #counts: Map<number, number>
  connections = 0

  static async start(
    topic: { readonly name: string; readonly partitions: number } = { name: 't', partitions: 1 },
  ): Promise<ScriptedBroker> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const broker = new ScriptedBroker(server)
    broker.on(apiVersions, () => ({
      apiKeys: [...SERVED, apiVersions].map(api => ({
        apiKey: api.key,
        minVersion: api.versions[0],
        maxVersion: api.versions[1],
      })),
    }))
    broker.on(metadata, () => broker.metadataOf(topic.name, topic.partitions))
    broker.on(initProducerId, () => ({ producerId: 7n, producerEpoch: 0 }))
    return broker
  }

  private constructor(server: Server) {
    this.#server = server
    this.#handlers = new Map()
    this.#counts = new Map()
    this.port = (server.address() as { port: number }).port
    this.bootstrap = `127.0.0.1:${this.port}`
    server.on('connection', socket => this.#serve(socket))
  }

  on<A extends Api>(api: A, handler: (request: RequestOf<A>, asked: Asked) => Answer<A> | Promise<Answer<A>>): void {
    this.#handlers.set(api.key, handler as unknown as Handler)
  }

  asked(api: Api): number {
    return this.#counts.get(api.key) ?? 0
  }

  metadataOf(name: string, partitions: number, leaderEpoch = 0): ResponseInput<typeof metadata> {
    return {
      clusterId: 'scripted',
      controllerId: 1,
      brokers: [{ nodeId: 1, host: '127.0.0.1', port: this.port }],
      topics: [
        {
          name,
          topicId: TOPIC_ID,
          partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
            partitionIndex,
            leaderId: 1,
            leaderEpoch,
            replicaNodes: [1],
            isrNodes: [1],
          })),
        },
      ],
    }
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    this.hangUp()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #serve(socket: Socket): void {
    const connection = this.connections++
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {})
    let pending = Buffer.alloc(0)
    // One request at a time, as Kafka does it.
    let tail: Promise<void> = Promise.resolve()
    socket.on('data', chunk => {
      pending = Buffer.concat([pending, chunk])
      while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
        const frame = Buffer.from(pending.subarray(4, 4 + pending.readInt32BE(0)))
        pending = pending.subarray(4 + pending.readInt32BE(0))
        tail = tail.then(() => this.#answer(socket, connection, frame))
      }
    })
  }

  async #answer(socket: Socket, connection: number, frame: Buffer): Promise<void> {
    const { header, api, body } = decodeRequestFrame(frame)
    const handler = this.#handlers.get(header.apiKey)
    if (!api || !handler) return void socket.destroy()
    const before = this.asked(api)
    this.#counts.set(api.key, before + 1)
    const asked = { version: header.apiVersion, connection, before, clientId: header.clientId }
    const answer = await handler(decodeRequest(api, header.apiVersion, body) as never, asked)
    if (answer === 'none' || socket.destroyed) return
    if (answer === 'silence') return new Promise(() => {})
    if (answer === 'hang-up') return void socket.destroy()
    const bytes = Buffer.isBuffer(answer)
      ? answer
      : encodeResponseFrame(api, header.apiVersion, header.correlationId, answer)
    const size = Buffer.alloc(4)
    size.writeInt32BE(bytes.length)
    socket.write(Buffer.concat([size, bytes]))
  }
}
