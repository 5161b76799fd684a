// Owns a client's way into the cluster: the picture of it, its refreshes, and which broker a request goes to.
// Never interprets a payload beyond Metadata and FindCoordinator. Invariant: one Metadata request is under way at a time, refreshes
// are at least one retry backoff apart, and after close() every waiting call has failed.
import { type Api, findCoordinator, metadata, type RequestInput, type ResponseOf } from '#protocol'
import type { ResolvedClientOptions } from '../client-options.ts'
import { type BrokerAddress, formatAddress } from './bootstrap-servers.ts'
import { ClusterMetadata } from './cluster-metadata.ts'
import type { Connection, SendOptions } from './connection.ts'
import { ConnectionPool, type Lane } from './connection-pool.ts'
import {
  ClientClosedError,
  ConnectionError,
  ErrorCode,
  KafkaError,
  kafkaErrorOf,
  UnreachableError,
} from './kafka-errors.ts'
import { KeepAlive } from './keep-alive.ts'
import { Deadline, pause, retry, within } from './waiting.ts'

export interface CallOptions {
  readonly deadline: Deadline
  readonly signal?: AbortSignal | undefined
}

export interface ClusterOptions extends ResolvedClientOptions {
  /** Whether asking about an unknown topic may create it. */
  readonly allowAutoTopicCreation: boolean
  /** What close() calls itself in errors: 'producer', 'consumer', 'admin client'. */
  readonly what: string
}

/** Topics unknown for this long after we first asked are taken not to exist: right after a creation some broker may lag. */
export const UNKNOWN_TOPIC_GRACE_MS = 500

export class Cluster {
  readonly metadata = new ClusterMetadata()
  readonly options: ClusterOptions
  readonly #pool: ConnectionPool
  readonly #keepAlive = new KeepAlive()
  readonly #topics = new Set<string>()
  readonly #closing = new AbortController()
  #refreshing: Promise<void> | undefined
  #refreshNext: Promise<void> | undefined
  #rotation: number
  #wasReached = false
  #firstTriedMs: number | undefined

  constructor(options: ClusterOptions) {
    this.options = options
    this.#pool = new ConnectionPool(options)
    this.#rotation = options.host.entropy.int(1 << 20)
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  /** Aborted with a ClientClosedError when the client closes. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  deadline(timeoutMs: number = this.options.apiTimeoutMs): Deadline {
    return new Deadline(this.options.host, timeoutMs)
  }

  /** Asks about these topics in every refresh from now on. */
  trackTopics(names: Iterable<string>): void {
    for (const name of names) this.#topics.add(name)
  }

  untrackTopics(names: Iterable<string>): void {
    for (const name of names) this.#topics.delete(name)
  }

  get metadataIsOld(): boolean {
    return this.options.host.clock.monotonicMs() - this.metadata.updatedAtMs >= this.options.metadataMaxAgeMs
  }

  /** One Metadata exchange that starts after this call. Fails with the last error when no broker answers. */
  refresh(): Promise<void> {
    this.#assertOpen()
    this.#keepAlive.hold()
    if (!this.#refreshing) return this.#startRefresh()
    // The one under way may have been sent before the caller's news: it waits for the next.
    this.#refreshNext ??= this.#refreshing.then(
      () => this.#startRefresh(),
      () => this.#startRefresh(),
    )
    return this.#refreshNext
  }

  /** Brings the picture up to date until all these topics are in it, or fails for the first one that cannot be. */
  async awaitTopics(names: readonly string[], call: CallOptions): Promise<void> {
    this.trackTopics(names)
    const grace = this.deadline(UNKNOWN_TOPIC_GRACE_MS)
    await this.retrying(call, async () => {
      if (names.some(name => !this.#isUsable(name)))
        await within(this.options.host, 'Metadata', call.deadline, call.signal, this.refresh())
      for (const name of names) {
        if (this.#isUsable(name)) continue
        const errorCode = this.metadata.topicError(name)
        const error = kafkaErrorOf(
          errorCode === ErrorCode.NONE ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : errorCode,
          `topic '${name}'`,
        )
        const isUnknown = error.errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if (isUnknown && !this.options.allowAutoTopicCreation && grace.passed) throw new UnknownTopicError(name)
        throw error
      }
    })
  }

  /** Sends to the broker with this id. */
  async sendTo<A extends Api>(
    nodeId: number,
    lane: Lane,
    api: A,
    request: RequestInput<A>,
    options?: SendOptions,
  ): Promise<ResponseOf<A>> {
    const connection = await this.connectTo(nodeId, lane)
    return connection.send(api, request, options)
  }

  connectTo(nodeId: number, lane: Lane): Promise<Connection> {
    this.#assertOpen()
    const node = this.metadata.brokers.get(nodeId)
    if (!node)
      return Promise.reject(new KafkaError('LEADER_NOT_AVAILABLE', `broker ${nodeId} is not in the cluster's metadata`))
    this.#keepAlive.hold()
    return this.#pool.connect(node, lane)
  }

  connectToAddress(address: BrokerAddress, lane: Lane): Promise<Connection> {
    this.#assertOpen()
    this.#keepAlive.hold()
    return this.#pool.connect(address, lane)
  }

  /** Sends to whichever broker can be reached: open connections first, then the known brokers, then the bootstrap list. */
  async sendToAny<A extends Api>(api: A, request: RequestInput<A>, options?: SendOptions): Promise<ResponseOf<A>> {
    const connection = await this.connectToAny()
    return connection.send(api, request, options)
  }

  async connectToAny(): Promise<Connection> {
    this.#assertOpen()
    this.#keepAlive.hold()
    const candidates = this.#candidates()
    for (const address of candidates) {
      const open = this.#pool.openTo(address, 'shared')
      if (open) return open
    }
    const startedMs = this.options.host.clock.monotonicMs()
    let last: unknown
    for (const address of candidates) {
      try {
        const connection = await this.#pool.connect(address, 'shared')
        this.#wasReached = true
        return connection
      } catch (error) {
        this.#assertOpen()
        // The bootstrap address that was refused says more to a user than the last broker of an old picture.
        last ??= error
      }
    }
    const { host, bootstrap, bootstrapTimeoutMs } = this.options
    this.#firstTriedMs ??= startedMs
    const isOver = host.clock.monotonicMs() - this.#firstTriedMs >= bootstrapTimeoutMs
    throw !this.#wasReached && isOver && last instanceof ConnectionError ? new UnreachableError(bootstrap, last) : last
  }

  /** The address of the broker that coordinates a group. */
  async coordinatorOf(groupId: string, call: CallOptions): Promise<BrokerAddress> {
    return this.retrying(call, async () => {
      const connection = await this.connectToAny()
      const request = { keyType: 0, coordinatorKeys: [groupId] }
      const answer = await connection.send(findCoordinator, request, { signal: call.signal, versions: { min: 4 } })
      const found = answer.coordinators[0]
      if (!found) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `group '${groupId}'`)
      if (found.errorCode !== ErrorCode.NONE)
        throw kafkaErrorOf(found.errorCode, `coordinator of group '${groupId}'`, found.errorMessage)
      return { host: found.host, port: found.port }
    })
  }

  /** Retries with the client's backoff until the call's deadline, its signal or close(). */
  async retrying<T>(call: CallOptions, attempt: (failures: number) => Promise<T>): Promise<T> {
    this.#assertOpen()
    this.#keepAlive.hold()
    const { host, retryBackoff } = this.options
    const signal = call.signal ? AbortSignal.any([call.signal, this.#closing.signal]) : this.#closing.signal
    return retry({ host, deadline: call.deadline, backoff: retryBackoff, signal }, attempt)
  }

  close(): void {
    if (this.isClosed) return
    const error = new ClientClosedError(this.options.what)
    this.#closing.abort(error)
    this.#pool.close(error)
    this.#keepAlive.release()
  }

  #startRefresh(): Promise<void> {
    this.#refreshNext = undefined
    const running = this.#refreshOnce().finally(() => {
      if (this.#refreshing === running) this.#refreshing = undefined
    })
    this.#refreshing = running
    // Waiters hear of a failure through their own promise; this one only keeps it from being unhandled.
    running.catch(() => {})
    return running
  }

  async #refreshOnce(): Promise<void> {
    const { host, retryBackoff, logger } = this.options
    const sinceMs = host.clock.monotonicMs() - this.metadata.updatedAtMs
    if (sinceMs < retryBackoff.initialMs) await pause(host, retryBackoff.initialMs - sinceMs, this.#closing.signal)
    const topics = [...this.#topics].map(name => ({ name }))
    const request = { topics, allowAutoTopicCreation: this.options.allowAutoTopicCreation }
    const response = await this.sendToAny(metadata, request, { versions: { min: 4 } })
    if (response.errorCode !== ErrorCode.NONE) throw kafkaErrorOf(response.errorCode, 'Metadata')
    this.metadata.apply(response, host.clock.monotonicMs())
    logger.debug('metadata', { brokers: response.brokers.length, topics: response.topics.length })
  }

  #isUsable(name: string): boolean {
    const topic = this.metadata.topic(name)
    return topic !== undefined && topic.partitions.length > 0
  }

  #candidates(): readonly BrokerAddress[] {
    const known = rotate([...this.metadata.brokers.values()], this.#rotation)
    const bootstrap = rotate(this.options.bootstrap, this.#rotation)
    this.#rotation = (this.#rotation + 1) % (1 << 20)
    const unique = new Map<string, BrokerAddress>()
    for (const address of [...known, ...bootstrap]) unique.set(formatAddress(address), address)
    return [...unique.values()]
  }

  #assertOpen(): void {
    if (this.isClosed) throw this.#closing.signal.reason
  }
}

/** The cluster says the topic is not there, and not because it was made a moment ago. Not worth another attempt. */
export class UnknownTopicError extends KafkaError {
  override name = 'UnknownTopicError'
  override readonly retriable = false
  readonly topic: string

  constructor(topic: string, detail = 'does not exist') {
    super('UNKNOWN_TOPIC_OR_PARTITION', `topic '${topic}' ${detail}`)
    this.topic = topic
  }
}

export function noSuchPartition(topic: string, partition: number, partitionCount: number): UnknownTopicError {
  const count = `${partitionCount} partition${partitionCount === 1 ? '' : 's'}`
  return new UnknownTopicError(topic, `has ${count}, counted from 0, so there is no ${partition}`)
}

function rotate<T>(list: readonly T[], by: number): readonly T[] {
  const at = list.length === 0 ? 0 : by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}
