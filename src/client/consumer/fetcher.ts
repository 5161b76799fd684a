// Owns fetching ahead: one Fetch on the wire to each leader, for the partitions that have room. Never decodes records.
// Invariant: what is buffered and asked for stays within prefetchBytes, save for the one batch a broker always sends.
import { ErrorCode, fetch, type FetchRequestInput, type FetchResponse, KafkaError, ZERO_UUID } from '#protocol'
import { backoffMs } from '../network/backoff.ts'
import type { Cluster } from '../network/cluster.ts'
import { asKafkaError, kafkaErrorOf, meansStaleMetadata } from '../network/kafka-errors.ts'
import { isolationNumber } from '../network/offset-lookup.ts'
import { drawUnit } from '../network/waiting.ts'
import type { ResolvedConsumerOptions } from './consumer-options.ts'
import { wholeBatches } from './fetched-records.ts'
import type { PartitionState, PartitionStates } from './partition-states.ts'

type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number]

/** One answer waits while the next is on its way. */
const CHUNKS_MAX = 2
/** From this version on a topic goes by its id alone. */
const TOPIC_ID_VERSION = 13

export interface FetchEvents {
  /** Something was buffered, failed or became possible. */
  progressed(): void
  /** The offset asked for is not in the log. */
  outOfRange(state: PartitionState, offset: bigint): void
  /** An error that no retry mends. */
  fatal(error: KafkaError): void
}

export class Fetcher {
  readonly #options: ResolvedConsumerOptions
  readonly #cluster: Cluster
  readonly #states: PartitionStates
  readonly #events: FetchEvents
  readonly #busyNodes = new Set<number>()
  #askedBytes = 0

  constructor(options: ResolvedConsumerOptions, cluster: Cluster, states: PartitionStates, events: FetchEvents) {
    this.#options = options
    this.#cluster = cluster
    this.#states = states
    this.#events = events
  }

  /** Asks every leader that is not being asked already for what there is room for. */
  start(nowMs: number): void {
    const groups = new Map<number, PartitionState[]>()
    for (const state of this.#states.toFetch(nowMs, CHUNKS_MAX)) {
      const leader = this.#cluster.metadata.leaderOf(state.topic, state.partition)
      if (!leader) {
        const errorCode = this.#cluster.metadata.topicError(state.topic)
        this.#retryLater(
          state,
          kafkaErrorOf(
            errorCode === ErrorCode.NONE ? ErrorCode.LEADER_NOT_AVAILABLE : errorCode,
            `${state.topic}-${state.partition}`,
          ),
        )
        continue
      }
      const group = groups.get(leader.node.nodeId)
      if (group) group.push(state)
      else groups.set(leader.node.nodeId, [state])
    }
    for (const [nodeId, group] of groups) {
      if (this.#busyNodes.has(nodeId)) continue
      const maxBytes = Math.min(
        this.#options.fetchMaxBytes,
        this.#options.prefetchBytes - this.#states.bufferedBytes - this.#askedBytes,
      )
      if (maxBytes > 0) void this.#fetch(nodeId, group, maxBytes)
    }
  }

  async #fetch(nodeId: number, group: readonly PartitionState[], maxBytes: number): Promise<void> {
    this.#busyNodes.add(nodeId)
    this.#askedBytes += maxBytes
    const epochs = new Map(group.map(state => [state, state.epoch]))
    for (const state of group) state.isFetching = true
    try {
      const { fetchMaxWaitMs, client } = this.#options
      const connection = await this.#cluster.connectTo(nodeId, 'fetch')
      const hasIds = group.every(state => this.#topicIdOf(state.topic) !== null)
      const versions = hasIds ? {} : { max: TOPIC_ID_VERSION - 1 }
      const response = await connection.send(fetch, this.#request(group, maxBytes), {
        versions,
        timeoutMs: fetchMaxWaitMs + client.requestTimeoutMs,
      })
      for (const state of group) state.isFetching = false
      if (response.errorCode !== ErrorCode.NONE) throw kafkaErrorOf(response.errorCode, `Fetch from broker ${nodeId}`)
      this.#answered(
        group.filter(state => state.epoch === epochs.get(state)),
        response,
      )
    } catch (caught) {
      const error = asKafkaError(caught)
      for (const state of group) {
        state.isFetching = false
        this.#failed(state, error)
      }
    } finally {
      this.#busyNodes.delete(nodeId)
      this.#askedBytes -= maxBytes
      this.#events.progressed()
    }
  }

  #request(group: readonly PartitionState[], maxBytes: number): FetchRequestInput {
    const { fetchMaxWaitMs, fetchMinBytes, isolationLevel, partitionFetchMaxBytes } = this.#options
    const topics = new Map<string, PartitionState[]>()
    for (const state of group) topics.set(state.topic, [...(topics.get(state.topic) ?? []), state])
    return {
      maxWaitMs: fetchMaxWaitMs,
      minBytes: fetchMinBytes,
      maxBytes,
      isolationLevel: isolationNumber(isolationLevel),
      topics: [...topics].map(([topic, states]) => ({
        topic,
        topicId: this.#topicIdOf(topic) ?? ZERO_UUID,
        partitions: states.map(state => ({
          partition: state.partition,
          currentLeaderEpoch: this.#cluster.metadata.leaderOf(topic, state.partition)?.leaderEpoch ?? -1,
          fetchOffset: state.fetchOffset,
          partitionMaxBytes: partitionFetchMaxBytes,
        })),
      })),
    }
  }

  #answered(group: readonly PartitionState[], response: FetchResponse): void {
    const answers = new Map<string, PartitionAnswer>()
    for (const topic of response.responses) {
      const name = topic.topic !== '' ? topic.topic : this.#cluster.metadata.topicNameOf(topic.topicId)
      for (const partition of topic.partitions) answers.set(`${partition.partitionIndex} ${name}`, partition)
    }
    for (const state of group) {
      const answer = answers.get(`${state.partition} ${state.topic}`)
      if (!answer)
        this.#failed(
          state,
          new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `Fetch was answered without ${state.topic}-${state.partition}`),
        )
      else if (answer.errorCode === ErrorCode.NONE) this.#accept(state, answer)
      else if (answer.errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) this.#events.outOfRange(state, state.fetchOffset)
      else {
        this.#cluster.metadata.leaderMoved(
          state.topic,
          state.partition,
          answer.currentLeader.leaderId,
          answer.currentLeader.leaderEpoch,
        )
        this.#failed(state, kafkaErrorOf(answer.errorCode, `${state.topic}-${state.partition}`))
      }
    }
  }

  #accept(state: PartitionState, answer: PartitionAnswer): void {
    state.highWatermark = answer.highWatermark
    try {
      const whole = answer.records && wholeBatches(answer.records)
      if (!whole) return this.#states.answeredEmpty(state)
      if (whole.nextOffset <= state.fetchOffset) {
        throw new KafkaError(
          'CORRUPT_MESSAGE',
          `records before offset ${whole.nextOffset} where ${state.fetchOffset} was asked for`,
        )
      }
      this.#states.fetched(
        state,
        { bytes: whole.bytes, abortedTransactions: answer.abortedTransactions ?? [] },
        whole.nextOffset,
      )
    } catch (error) {
      this.#failed(state, asKafkaError(error))
    }
  }

  #failed(state: PartitionState, error: KafkaError): void {
    if (this.#cluster.isClosed || !this.#states.owns(state)) return
    if (!error.retriable) return this.#events.fatal(error)
    this.#retryLater(state, error)
  }

  #retryLater(state: PartitionState, error: KafkaError): void {
    const { host, retryBackoff, logger } = this.#options.client
    const nowMs = host.clock.monotonicMs()
    logger.debug('fetch failed, will retry', { topic: state.topic, partition: state.partition, error })
    this.#states.failed(state, error, nowMs + backoffMs(retryBackoff, state.failures, drawUnit(host)), nowMs)
    if (meansStaleMetadata(error.errorCode)) {
      this.#cluster.refresh().then(
        () => this.#events.progressed(),
        (refreshError: unknown) => logger.debug('metadata refresh failed', { error: refreshError }),
      )
    }
  }

  #topicIdOf(topic: string): string | null {
    return this.#cluster.metadata.topic(topic)?.topicId ?? null
  }
}
