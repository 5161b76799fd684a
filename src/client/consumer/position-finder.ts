// Owns finding where to start in a partition: the committed offset, or a look-up by policy, time or distance from the end; and where a
// read to the end stops. Invariant: a partition is being looked up once at a time, and every look-up ends in a position or a retry.
import { KafkaError } from '#protocol'
import { backoffMs } from '../network/backoff.ts'
import type { Cluster } from '../network/cluster.ts'
import { asKafkaError } from '../network/kafka-errors.ts'
import { type FoundOffset, lookUpOffsets, type OffsetAt, type OffsetQuery } from '../network/offset-lookup.ts'
import { drawUnit } from '../network/waiting.ts'
import type { ResolvedConsumerOptions } from './consumer-options.ts'
import type { CommittedOffset } from './group-session.ts'
import type { OffsetSpec, TopicPartition } from './offset-spec.ts'
import type { PartitionState, PartitionStates } from './partition-states.ts'

export interface PositionFinderEvents {
  progressed(): void
  /** The offset asked for is not in the log. */
  outOfRange(state: PartitionState, offset: bigint): void
  fatal(error: KafkaError): void
  fetchCommitted(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]>
}

export class PositionFinder {
  readonly #options: ResolvedConsumerOptions
  readonly #cluster: Cluster
  readonly #states: PartitionStates
  readonly #events: PositionFinderEvents

  constructor(
    options: ResolvedConsumerOptions,
    cluster: Cluster,
    states: PartitionStates,
    events: PositionFinderEvents,
  ) {
    this.#options = options
    this.#cluster = cluster
    this.#states = states
    this.#events = events
  }

  start(nowMs: number): void {
    const open = this.#states.toResolve(nowMs)
    if (open.length === 0) return
    for (const state of open) state.isResolving = true
    void this.#find(open)
  }

  async #find(states: readonly PartitionState[]): Promise<void> {
    const epochs = new Map(states.map(state => [state, state.epoch]))
    const isCurrent = (state: PartitionState): boolean => state.epoch === epochs.get(state) && this.#states.owns(state)
    try {
      const found = await this.#findAll(states)
      for (const [state, { position, endOffset, error }] of found) {
        if (!isCurrent(state)) continue
        if (error) this.#failed(state, error)
        else if (position !== null && endOffset !== null && position > endOffset)
          this.#events.outOfRange(state, position)
        else {
          // resolved() starts a new epoch, so the end is set after it.
          if (position !== null) this.#states.resolved(state, position)
          if (endOffset !== null) this.#states.endFound(state, endOffset)
        }
      }
    } catch (caught) {
      for (const state of states) if (isCurrent(state)) this.#failed(state, asKafkaError(caught))
    }
    this.#events.progressed()
  }

  async #findAll(states: readonly PartitionState[]): Promise<ReadonlyMap<PartitionState, Found>> {
    const committed = await this.#committedOf(states.filter(state => state.start === 'committed'))
    const call = { deadline: this.#cluster.deadline(), signal: this.#cluster.closing }
    const { isolationLevel } = this.#options
    const plans = states.map(state => ({ state, spec: this.#effectiveSpec(state, committed.get(state)) }))
    const queries: (OffsetQuery & { readonly state: PartitionState })[] = []
    for (const { state, spec } of plans) {
      for (const at of questionsFor(spec, this.#states.wantsEnds))
        queries.push({ state, topic: state.topic, partition: state.partition, at })
    }
    const answers = new Map<PartitionState, Map<OffsetAt, FoundOffset>>(states.map(state => [state, new Map()]))
    // One question a partition in each request: Kafka answers a partition once.
    for (const round of oncePerPartition(queries)) {
      const offsets = await lookUpOffsets(this.#cluster, call, round, isolationLevel)
      offsets.forEach((offset, index) => {
        const query = round[index] as (typeof queries)[number]
        answers.get(query.state)?.set(query.at, offset)
      })
    }
    return new Map(
      plans.map(({ state, spec }) => [state, conclude(spec, answers.get(state) ?? new Map(), this.#states.wantsEnds)]),
    )
  }

  async #committedOf(states: readonly PartitionState[]): Promise<ReadonlyMap<PartitionState, CommittedOffset>> {
    if (states.length === 0) return new Map()
    const committed = await this.#events.fetchCommitted(states)
    return new Map(states.map((state, index) => [state, committed[index] as CommittedOffset]))
  }

  /** null when the position is known and only the end is asked for. */
  #effectiveSpec(
    state: PartitionState,
    committed: CommittedOffset | undefined,
  ): Exclude<OffsetSpec, 'committed'> | null {
    if (state.start === null || state.start !== 'committed') return state.start
    if (committed && committed.offset !== null) return { offset: committed.offset }
    if (this.#options.autoOffsetReset !== 'none') return this.#options.autoOffsetReset
    const group = this.#options.groupId === null ? 'no group' : `group '${this.#options.groupId}'`
    throw new KafkaError(
      'OFFSET_OUT_OF_RANGE',
      `${group} has no committed offset for ${state.topic}-${state.partition}, and autoOffsetReset is 'none'`,
    )
  }

  #failed(state: PartitionState, error: KafkaError): void {
    if (this.#cluster.isClosed) return
    if (!error.retriable) return this.#events.fatal(error)
    const { host, retryBackoff } = this.#options.client
    const nowMs = host.clock.monotonicMs()
    this.#states.failed(state, error, nowMs + backoffMs(retryBackoff, state.failures, drawUnit(host)), nowMs)
  }
}

interface Found {
  readonly position: bigint | null
  readonly endOffset: bigint | null
  readonly error: KafkaError | null
}

type Spec = Exclude<OffsetSpec, 'committed'> | null

function questionsFor(spec: Spec, wantsEnd: boolean): readonly OffsetAt[] {
  const questions = new Set<OffsetAt>()
  if (wantsEnd) questions.add('latest')
  if (spec === 'earliest' || spec === 'latest') questions.add(spec)
  else if (spec !== null && 'timestamp' in spec) questions.add(spec.timestamp).add('latest')
  else if (spec !== null && 'last' in spec) questions.add('earliest').add('latest')
  return [...questions]
}

function conclude(spec: Spec, answers: ReadonlyMap<OffsetAt, FoundOffset>, wantsEnd: boolean): Found {
  for (const { error } of answers.values()) if (error) return { position: null, endOffset: null, error }
  const offsetAt = (at: OffsetAt): bigint => answers.get(at)?.offset ?? 0n
  const endOffset = wantsEnd ? offsetAt('latest') : null
  return { position: positionFor(spec, offsetAt, answers), endOffset, error: null }
}

function positionFor(
  spec: Spec,
  offsetAt: (at: OffsetAt) => bigint,
  answers: ReadonlyMap<OffsetAt, FoundOffset>,
): bigint | null {
  if (spec === null) return null
  if (spec === 'earliest' || spec === 'latest') return offsetAt(spec)
  if ('offset' in spec) return spec.offset
  // No record that young: what comes next will be.
  if ('timestamp' in spec) return answers.get(spec.timestamp)?.offset ?? offsetAt('latest')
  const back = offsetAt('latest') - BigInt(spec.last)
  const earliest = offsetAt('earliest')
  return back > earliest ? back : earliest
}

function oncePerPartition<Q extends OffsetQuery>(queries: readonly Q[]): readonly (readonly Q[])[] {
  const rounds: Q[][] = []
  const counts = new Map<string, number>()
  for (const query of queries) {
    const key = `${query.partition} ${query.topic}`
    const round = counts.get(key) ?? 0
    counts.set(key, round + 1)
    ;(rounds[round] ??= []).push(query)
  }
  return rounds
}
