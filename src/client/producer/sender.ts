// Owns the doing of a producer: Metadata, InitProducerId and Produce on the wire, and the timer that wakes it. What may go out is the
// accumulator's and the sequencer's decision. Invariant: every batch it takes from the accumulator goes back to it, settled or for
// another attempt, exactly once; nothing is sent under an epoch that has lost a sequence.
import type { Timer } from '#host'
import {
  encodeBatch,
  ErrorCode,
  initProducerId,
  KafkaError,
  produce,
  type ProduceRequestInput,
  type ProduceResponse,
  ZERO_UUID,
} from '#protocol'
import { backoffMs } from '../network/backoff.ts'
import { type Cluster, noSuchPartition } from '../network/cluster.ts'
import type { Connection } from '../network/connection.ts'
import { asKafkaError, kafkaErrorOf, meansStaleMetadata } from '../network/kafka-errors.ts'
import { drawUnit } from '../network/waiting.ts'
import type { Accumulator, NodeBatches, TopicView } from './accumulator.ts'
import type { Entry, ProducerBatch } from './producer-batch.ts'
import type { ResolvedProducerOptions } from './producer-options.ts'
import { Sequencer } from './sequencer.ts'

type PartitionAnswer = ProduceResponse['responses'][number]['partitionResponses'][number]

export class Sender {
  readonly #options: ResolvedProducerOptions
  readonly #cluster: Cluster
  readonly #accumulator: Accumulator
  readonly #sequencer: Sequencer | undefined
  readonly #onProgress: () => void
  readonly #inFlightByNode = new Map<number, number>()
  #pumpQueued = false
  #isClosed = false
  #hurries = false
  #refreshing = false
  #refreshWanted = false
  #lastFailure: KafkaError | undefined
  #refreshFailures = 0
  #refreshAtMs = 0
  #initFailures = 0
  #initAtMs = 0
  #timer: Timer | undefined

  constructor(options: ResolvedProducerOptions, cluster: Cluster, accumulator: Accumulator, onProgress: () => void) {
    this.#options = options
    this.#cluster = cluster
    this.#accumulator = accumulator
    this.#sequencer = options.idempotence ? new Sequencer() : undefined
    this.#onProgress = onProgress
  }

  /** Looks, before the current turn of the event loop ends, at what can be sent. Cheap to call once a record. */
  wake(): void {
    if (this.#pumpQueued || this.#isClosed) return
    this.#pumpQueued = true
    queueMicrotask(() => {
      this.#pumpQueued = false
      this.#pump()
    })
  }

  /** With it on, nothing lingers: the buffer is full and someone waits for room. */
  hurry(on: boolean): void {
    this.#hurries = on
    if (on) this.wake()
  }

  /** Something cannot be placed by what is known of its topic: look again before it is refused. */
  lookAgain(): void {
    this.#refreshWanted = true
  }

  /** A leader and a partition count, from what the cluster said last. */
  viewOf(topic: string): TopicView | undefined {
    const known = this.#cluster.metadata.topic(topic)
    if (!known || known.partitions.length === 0) return undefined
    return {
      partitionCount: known.partitions.length,
      leaderOf: partition => this.#cluster.metadata.leaderOf(topic, partition)?.node.nodeId ?? null,
    }
  }

  /** Nothing more is sent; what was not settled fails with `error`. */
  close(error: KafkaError): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#failAllWaiting(error)
  }

  #pump(): void {
    if (this.#isClosed) return
    const nowMs = this.#nowMs()
    this.#expire(nowMs)
    this.#placeKnownTopics(nowMs)
    this.#refreshIfNeeded(nowMs)
    if (this.#sequencerIsReady(nowMs)) {
      const canSendTo = (nodeId: number): boolean => (this.#inFlightByNode.get(nodeId) ?? 0) < this.#options.inFlightMax
      for (const request of this.#accumulator.drain(topic => this.viewOf(topic), canSendTo, nowMs, this.#hurries))
        void this.#send(request)
    }
    this.#armTimer(nowMs)
  }

  // ---- what has waited too long, and what waits for its topic

  #expire(nowMs: number): void {
    const expired = this.#accumulator.takeExpired(nowMs)
    for (const batch of expired) {
      // A batch that was on the wire may be in the log: its sequences may be used up, so the epoch is spent.
      if (batch.sequenced) this.#sequencer?.bumpWanted()
      const cause = batch.lastError
      const detail = cause ? `; the last attempt failed: ${cause.message}` : '; its partition had no leader to send to'
      const message = `${batch.entries.length} records for ${batch.topic}-${batch.partition} were not delivered in ${this.#options.deliveryTimeoutMs} ms${detail}`
      batch.fail(new KafkaError('REQUEST_TIMED_OUT', message, cause ? { cause } : undefined))
    }
    if (expired.length > 0) this.#onProgress()
  }

  #placeKnownTopics(nowMs: number): void {
    for (const topic of this.#accumulator.unplacedTopics) {
      const view = this.viewOf(topic)
      const errorCode = this.#cluster.metadata.topicError(topic)
      if (view && errorCode === ErrorCode.NONE && !this.#refreshing && !this.#refreshWanted) {
        const refused = this.#accumulator.topicKnown(topic, view, nowMs)
        for (const entry of refused)
          this.#failEntries([entry], noSuchPartition(topic, entry.record.partition ?? 0, view.partitionCount))
        continue
      }
      const topicError = kafkaErrorOf(
        errorCode === ErrorCode.NONE ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : errorCode,
        `topic '${topic}'`,
      )
      const isHopeless = errorCode !== ErrorCode.NONE && !topicError.retriable
      const error = isHopeless ? topicError : (this.#lastFailure ?? topicError)
      const sinceMs = isHopeless ? Number.POSITIVE_INFINITY : nowMs - this.#options.maxBlockMs
      this.#failEntries(this.#accumulator.takeUnplaced(topic, sinceMs), error)
    }
  }

  #failAllWaiting(error: KafkaError): void {
    const { batches, entries } = this.#accumulator.takeAllWaiting()
    // What was on the wire before may be in the log: its sequences are spent.
    if (batches.some(batch => batch.sequenced)) this.#sequencer?.bumpWanted()
    for (const batch of batches) batch.fail(error)
    for (const { ticket, index } of entries) ticket.settle(index, error)
    this.#onProgress()
  }

  #failEntries(entries: readonly Entry[], error: KafkaError): void {
    for (const { ticket, index } of entries) ticket.settle(index, error)
    if (entries.length > 0) this.#onProgress()
  }

  // ---- metadata

  #refreshIfNeeded(nowMs: number): void {
    if (this.#refreshing || nowMs < this.#refreshAtMs) return
    if (this.#accumulator.isEmpty) return
    const unplaced = this.#accumulator.unplacedTopics
    const leaderless = this.#accumulator.topicsWithoutLeader(topic => this.viewOf(topic))
    if (unplaced.length === 0 && leaderless.length === 0 && !this.#cluster.metadataIsOld) return
    this.#cluster.trackTopics(unplaced)
    void this.#refresh()
  }

  async #refresh(): Promise<void> {
    this.#refreshing = true
    this.#refreshWanted = false
    const { host, retryBackoff, logger } = this.#options.client
    try {
      await this.#cluster.refresh()
      this.#lastFailure = undefined
      const missing = this.#accumulator.unplacedTopics.some(topic => !this.viewOf(topic))
      const leaderless = this.#accumulator.topicsWithoutLeader(topic => this.viewOf(topic)).length > 0
      if (missing || leaderless)
        this.#refreshAtMs = this.#nowMs() + backoffMs(retryBackoff, this.#refreshFailures++, drawUnit(host))
      else this.#refreshFailures = 0
    } catch (error) {
      logger.debug('metadata refresh failed', { error })
      this.#lastFailure = asKafkaError(error)
      if (!this.#lastFailure.retriable && !this.#isClosed) this.#failAllWaiting(this.#lastFailure)
      this.#refreshAtMs = this.#nowMs() + backoffMs(retryBackoff, this.#refreshFailures++, drawUnit(host))
    } finally {
      this.#refreshing = false
    }
    this.wake()
  }

  // ---- the producer id

  /** True when batches may go out: sequences are to be had, or none are needed. Starts what is missing. */
  #sequencerIsReady(nowMs: number): boolean {
    const sequencer = this.#sequencer
    if (!sequencer) return true
    if (sequencer.state === 'draining' && this.#accumulator.inFlightCount === 0) {
      sequencer.drained()
      this.#accumulator.unsequenceWaiting()
    }
    if (sequencer.state === 'none' && !this.#accumulator.isEmpty && nowMs >= this.#initAtMs) {
      sequencer.fetchStarted()
      void this.#fetchProducerId(sequencer)
    }
    return sequencer.state === 'ready'
  }

  async #fetchProducerId(sequencer: Sequencer): Promise<void> {
    const { host, retryBackoff } = this.#options.client
    try {
      const answer = await this.#cluster.sendToAny(initProducerId, {
        transactionalId: null,
        transactionTimeoutMs: 2_147_483_647,
      })
      if (answer.errorCode !== ErrorCode.NONE) throw kafkaErrorOf(answer.errorCode, 'InitProducerId')
      this.#initFailures = 0
      sequencer.fetched({ producerId: answer.producerId, producerEpoch: answer.producerEpoch })
    } catch (caught) {
      const error = asKafkaError(caught)
      sequencer.fetchFailed()
      this.#initAtMs = this.#nowMs() + backoffMs(retryBackoff, this.#initFailures++, drawUnit(host))
      this.#lastFailure = error
      if (!error.retriable && !this.#isClosed) this.#failAllWaiting(error)
    }
    this.wake()
  }

  // ---- Produce

  async #send({ nodeId, batches }: NodeBatches): Promise<void> {
    this.#inFlightByNode.set(nodeId, (this.#inFlightByNode.get(nodeId) ?? 0) + 1)
    try {
      // Before anything is awaited: sequences are given in the order in which batches leave the accumulator.
      for (const batch of batches) this.#encode(batch)
      const connection = await this.#cluster.connectTo(nodeId, 'shared')
      await this.#exchange(connection, batches)
    } catch (caught) {
      const error = asKafkaError(caught)
      for (const batch of batches) this.#failed(batch, error)
    } finally {
      this.#inFlightByNode.set(nodeId, (this.#inFlightByNode.get(nodeId) ?? 1) - 1)
    }
    this.#onProgress()
    this.wake()
  }

  async #exchange(connection: Connection, batches: readonly ProducerBatch[]): Promise<void> {
    const { acks, client } = this.#options
    const hasIds = batches.every(batch => this.#topicIdOf(batch.topic) !== null)
    // From version 13 on a topic goes by its id alone; a broker that told us none is asked by name.
    const versions = hasIds ? {} : { max: 12 }
    const request: ProduceRequestInput = {
      acks,
      timeoutMs: client.requestTimeoutMs,
      topicData: [...groupByTopic(batches)].map(([name, group]) => ({
        name,
        topicId: this.#topicIdOf(name) ?? ZERO_UUID,
        partitionData: group.map(batch => ({ index: batch.partition, records: batch.encoded as Buffer })),
      })),
    }
    if (acks === 0) {
      await connection.sendUnanswered(produce, request, versions)
      for (const batch of batches) this.#succeeded(batch, { baseOffset: -1n, logAppendTimeMs: -1n })
      return
    }
    const response = await connection.send(produce, request, { versions })
    const answers = new Map<string, PartitionAnswer>()
    for (const topic of response.responses) {
      const name = topic.name !== '' ? topic.name : this.#cluster.metadata.topicNameOf(topic.topicId)
      for (const partition of topic.partitionResponses) answers.set(`${partition.index} ${name}`, partition)
    }
    for (const batch of batches) {
      const answer = answers.get(`${batch.partition} ${batch.topic}`)
      if (answer) this.#answered(batch, answer)
      else
        this.#failed(
          batch,
          new KafkaError('UNKNOWN_SERVER_ERROR', `Produce was answered without ${batch.topic}-${batch.partition}`),
        )
    }
  }

  #answered(batch: ProducerBatch, answer: PartitionAnswer): void {
    if (answer.errorCode === ErrorCode.NONE) return this.#succeeded(batch, answer)
    // The broker has it already: an earlier attempt arrived and only its answer was lost.
    if (answer.errorCode === ErrorCode.DUPLICATE_SEQUENCE_NUMBER)
      return this.#succeeded(batch, { baseOffset: -1n, logAppendTimeMs: -1n })
    const subject = `${batch.topic}-${batch.partition}`
    const { leaderId, leaderEpoch } = answer.currentLeader
    this.#cluster.metadata.leaderMoved(batch.topic, batch.partition, leaderId, leaderEpoch)
    const recordErrors = new Map<number, KafkaError>()
    for (const { batchIndex, batchIndexErrorMessage } of answer.recordErrors) {
      recordErrors.set(batchIndex, kafkaErrorOf(answer.errorCode, subject, batchIndexErrorMessage))
    }
    this.#failed(batch, kafkaErrorOf(answer.errorCode, subject, answer.errorMessage), recordErrors)
  }

  #succeeded(batch: ProducerBatch, outcome: { readonly baseOffset: bigint; readonly logAppendTimeMs: bigint }): void {
    this.#accumulator.settled(batch)
    batch.succeed(outcome)
  }

  #failed(batch: ProducerBatch, error: KafkaError, recordErrors?: ReadonlyMap<number, KafkaError>): void {
    const { client, deliveryTimeoutMs } = this.#options
    batch.lastError = error
    const nowMs = this.#nowMs()
    if (!this.#isClosed && this.#mayRetry(batch, error) && nowMs - batch.createdMs < deliveryTimeoutMs) {
      client.logger.debug('produce failed, will retry', { topic: batch.topic, partition: batch.partition, error })
      this.#accumulator.retryLater(
        batch,
        nowMs + backoffMs(client.retryBackoff, batch.attempts - 1, drawUnit(client.host)),
      )
      if (meansStaleMetadata(error.errorCode) && !this.#refreshing && nowMs >= this.#refreshAtMs) void this.#refresh()
      return
    }
    if (error.errorCode === ErrorCode.MESSAGE_TOO_LARGE && batch.entries.length > 1 && !this.#isClosed) {
      client.logger.debug('batch too large, split', {
        topic: batch.topic,
        partition: batch.partition,
        records: batch.entries.length,
      })
      return this.#accumulator.split(batch)
    }
    // What failed for good without having been refused outright may have been appended: its sequences are not to be reused.
    if (batch.sequenced) this.#sequencer?.bumpWanted()
    this.#accumulator.settled(batch)
    batch.fail(error, recordErrors)
  }

  #mayRetry(batch: ProducerBatch, error: KafkaError): boolean {
    switch (error.errorCode) {
      case ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER:
      case ErrorCode.UNKNOWN_PRODUCER_ID:
        // Behind a batch that failed, the gap is ours and closes with its retry. Otherwise the broker lost our state: a new epoch.
        if (this.#sequencer && this.#accumulator.isOldest(batch)) this.#sequencer.bumpWanted()
        return this.#sequencer !== undefined
      case ErrorCode.INVALID_PRODUCER_EPOCH:
      case ErrorCode.PRODUCER_FENCED:
        this.#sequencer?.restartWanted()
        return this.#sequencer !== undefined
      default:
        return error.retriable
    }
  }

  #encode(batch: ProducerBatch): void {
    this.#sequencer?.sequence(batch)
    const { compression, compressionLevel, client } = this.#options
    batch.encoded ??= encodeBatch(
      { records: batch.entries.map(entry => entry.record), compression, compressionLevel, ...batch.sequenced },
      client.codec,
    )
  }

  #topicIdOf(topic: string): string | null {
    return this.#cluster.metadata.topic(topic)?.topicId ?? null
  }

  #armTimer(nowMs: number): void {
    this.#timer?.cancel()
    let atMs = this.#accumulator.nextWakeMs(nowMs)
    if (!this.#accumulator.isEmpty) {
      const isWaiting = this.#accumulator.unplacedTopics.length > 0 || this.#refreshAtMs > nowMs
      if (isWaiting && !this.#refreshing) atMs = Math.min(atMs, Math.max(this.#refreshAtMs, nowMs + 1))
      if (this.#sequencer?.state === 'none') atMs = Math.min(atMs, Math.max(this.#initAtMs, nowMs + 1))
    }
    if (atMs === Number.POSITIVE_INFINITY) return
    this.#timer = this.#options.client.host.timers.setTimer(atMs - nowMs, () => this.#pump())
  }

  #nowMs(): number {
    return this.#options.client.host.clock.monotonicMs()
  }
}

function groupByTopic(batches: readonly ProducerBatch[]): ReadonlyMap<string, readonly ProducerBatch[]> {
  const groups = new Map<string, ProducerBatch[]>()
  for (const batch of batches) {
    const group = groups.get(batch.topic)
    if (group) group.push(batch)
    else groups.set(batch.topic, [batch])
  }
  return groups
}
