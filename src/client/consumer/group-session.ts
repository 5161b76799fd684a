// Owns a consumer's dealings with its group's coordinator: join, sync, heartbeats, commits, leaving. What comes next is decided in
// membership.ts. Invariant: partitions change hands only inside settle(), which the consumer calls between records.
import type { Timer } from '#host'
import {
  consumerAssignment,
  consumerSubscription,
  ErrorCode,
  heartbeat,
  joinGroup,
  type JoinGroupResponse,
  KafkaError,
  leaveGroup,
  offsetCommit,
  offsetFetch,
  syncGroup,
} from '#protocol'
import { backoffMs } from '../network/backoff.ts'
import type { BrokerAddress } from '../network/bootstrap-servers.ts'
import type { CallOptions, Cluster } from '../network/cluster.ts'
import type { Connection } from '../network/connection.ts'
import { asKafkaError, kafkaErrorOf } from '../network/kafka-errors.ts'
import { drawUnit, pause } from '../network/waiting.ts'
import { ASSIGNORS, type AssignorMember, type TopicPartitions } from './assignors.ts'
import type { ResolvedConsumerOptions } from './consumer-options.ts'
import { Membership } from './membership.ts'
import type { TopicPartition } from './offset-spec.ts'

export interface OffsetToCommit extends TopicPartition {
  /** The next offset to read. */
  readonly offset: bigint
  readonly leaderEpoch?: number
  /** Kept with the offset and given back with it. */
  readonly metadata?: string
}

export interface CommittedOffset extends TopicPartition {
  /** null when nothing was committed. */
  readonly offset: bigint | null
  readonly leaderEpoch: number
  readonly metadata: string
}

export interface GroupEvents {
  /** The consumer should come back to settle() before it hands out another record. */
  attention(): void
  /** Commit what was consumed, then let go of everything: another member may own it next. */
  revoke(): Promise<void>
  /** Let go of everything without committing: it is another member's already. */
  lost(): void
  assigned(partitions: readonly TopicPartitions[]): void
}

/** OffsetCommit and OffsetFetch go by topic name up to here. */
const OFFSETS_BY_NAME = { max: 9 } as const
/** OffsetFetch in its form for several groups. */
const OFFSETS_BY_GROUP = { min: 8, max: 9 } as const
/** A JoinGroup is answered when the rebalance is over, which takes up to its timeout; then the answer has to travel. */
const JOIN_GRACE_MS = 5_000
/** What the answer about offsets may say about the membership; its other errors are about the offsets. */
const MEMBERSHIP_ERRORS: ReadonlySet<number> = new Set([
  ErrorCode.REBALANCE_IN_PROGRESS,
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.FENCED_INSTANCE_ID,
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
])
/** Longest close() waits for the coordinator to hear of it. */
const LEAVE_TIMEOUT_MS = 2_000

export class GroupSession {
  readonly #options: ResolvedConsumerOptions
  readonly #groupId: string
  readonly #cluster: Cluster
  readonly #events: GroupEvents
  readonly #membership: Membership
  #topics: readonly string[] = []
  #coordinator: BrokerAddress | undefined
  #joined: JoinGroupResponse | undefined
  #leaderCounts: ReadonlyMap<string, number> | undefined
  #timer: Timer | undefined
  #isHeartbeating = false
  #failures = 0
  #failingSinceMs: number | undefined

  constructor(options: ResolvedConsumerOptions, groupId: string, cluster: Cluster, events: GroupEvents) {
    this.#options = options
    this.#groupId = groupId
    this.#cluster = cluster
    this.#events = events
    this.#membership = new Membership(options)
  }

  get isSubscribed(): boolean {
    return this.#topics.length > 0
  }

  get memberId(): string {
    return this.#membership.memberId
  }

  get generation(): number {
    return this.#membership.generation
  }

  get needsAttention(): boolean {
    return this.isSubscribed && this.#membership.needsAttention
  }

  subscribe(topics: readonly string[]): void {
    this.#topics = [...topics]
    this.#membership.rebalanceWanted()
  }

  polled(): void {
    this.#membership.polled(this.#nowMs())
  }

  /** Does what it takes to be a stable member: finds the coordinator, gives partitions up, joins, syncs. */
  async settle(signal: AbortSignal | undefined): Promise<void> {
    for (let step = this.#membership.nextStep(); step !== 'none'; step = this.#membership.nextStep()) {
      signal?.throwIfAborted()
      const call = { deadline: this.#cluster.deadline(this.#options.stallTimeoutMs), signal }
      const stateBefore = this.#membership.state
      try {
        switch (step) {
          case 'drop-lost':
            this.#events.lost()
            this.#membership.lostDropped()
            continue
          case 'revoke':
            await this.#events.revoke()
            this.#membership.revoked()
            continue
          case 'find-coordinator':
            await this.#findCoordinator(call)
            continue
          case 'join':
            await this.#join(call)
            break
          case 'sync':
            await this.#sync(call)
            break
          default:
            step satisfies never
        }
        const isProgress = this.#membership.state !== stateBefore && this.#membership.state.kind !== 'outside'
        const isIdGiven =
          this.#membership.state.kind === 'outside' && this.#joined?.errorCode === ErrorCode.MEMBER_ID_REQUIRED
        if (isProgress || isIdGiven) this.#progressed()
        else
          await this.#pauseBeforeRetry(
            signal,
            kafkaErrorOf(this.#joined?.errorCode ?? ErrorCode.COORDINATOR_NOT_AVAILABLE),
          )
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof KafkaError) || !error.retriable) throw error
        this.#coordinatorLost()
        await this.#pauseBeforeRetry(signal, error)
      }
    }
    const { state } = this.#membership
    if (state.kind === 'failed')
      throw new KafkaError(state.error.code, `group '${this.#groupId}': ${state.error.message}`, { cause: state.error })
  }

  /** The leader of a group deals partitions anew when their number changed. */
  metadataChanged(): void {
    if (this.#leaderCounts === undefined) return
    for (const [topic, count] of this.#leaderCounts) {
      if (this.#partitionCount(topic) !== count) {
        this.#membership.rebalanceWanted()
        return this.#events.attention()
      }
    }
  }

  async commit(offsets: readonly OffsetToCommit[], call: CallOptions): Promise<void> {
    if (offsets.length === 0) return
    const topics = groupByTopic(offsets, ({ partition, offset, leaderEpoch, metadata }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch ?? -1,
      committedMetadata: metadata ?? '',
    }))
    await this.#cluster.retrying(call, async () => {
      const request = { ...this.#identity(), generationIdOrMemberEpoch: this.#membership.generation, topics }
      const response = await this.#ask(call, connection =>
        connection.send(offsetCommit, request, { signal: call.signal, versions: OFFSETS_BY_NAME }),
      )
      for (const topic of response.topics) {
        for (const { partitionIndex, errorCode } of topic.partitions) {
          if (errorCode === ErrorCode.NONE) continue
          if (MEMBERSHIP_ERRORS.has(errorCode)) this.#heard(errorCode)
          throw kafkaErrorOf(errorCode, `commit of ${topic.name}-${partitionIndex} for group '${this.#groupId}'`)
        }
      }
      this.#membership.heartbeatAnswered(ErrorCode.NONE, this.#nowMs())
    })
  }

  async fetchCommitted(partitions: readonly TopicPartition[], call: CallOptions): Promise<readonly CommittedOffset[]> {
    const topics = groupByTopic(partitions, ({ partition }) => partition).map(
      ({ name, partitions: partitionIndexes }) => ({ name, partitionIndexes }),
    )
    return this.#cluster.retrying(call, async () => {
      const request = {
        groups: [{ groupId: this.#groupId, topics }],
        requireStable: this.#options.isolationLevel === 'read_committed',
      }
      const response = await this.#ask(call, connection =>
        connection.send(offsetFetch, request, { signal: call.signal, versions: OFFSETS_BY_GROUP }),
      )
      const group = response.groups[0]
      const subject = `committed offsets of group '${this.#groupId}'`
      if (!group) throw new KafkaError('UNKNOWN_SERVER_ERROR', subject)
      if (MEMBERSHIP_ERRORS.has(group.errorCode)) this.#heard(group.errorCode)
      if (group.errorCode !== ErrorCode.NONE) throw kafkaErrorOf(group.errorCode, subject)
      return partitions.map(({ topic, partition }) => {
        const found = group.topics
          .find(each => each.name === topic)
          ?.partitions.find(each => each.partitionIndex === partition)
        if (found && found.errorCode !== ErrorCode.NONE)
          throw kafkaErrorOf(found.errorCode, `${subject}: ${topic}-${partition}`)
        const offset = found && found.committedOffset >= 0n ? found.committedOffset : null
        return {
          topic,
          partition,
          offset,
          leaderEpoch: found?.committedLeaderEpoch ?? -1,
          metadata: found?.metadata ?? '',
        }
      })
    })
  }

  /** Says good-bye so that the others need not wait for the session to end. A static member keeps its place instead (KIP-345). */
  async leave(): Promise<void> {
    this.#timer?.cancel()
    const { memberId } = this.#membership
    const { groupInstanceId } = this.#options
    this.#membership.leave()
    if (memberId !== '' && groupInstanceId === null) await this.#sendLeave(memberId)
  }

  async #sendLeave(memberId: string): Promise<void> {
    const coordinator = this.#coordinator
    if (!coordinator) return
    const request = {
      groupId: this.#groupId,
      memberId,
      members: [{ memberId, reason: 'the consumer is being closed' }],
    }
    try {
      // Not in the group's lane: a JoinGroup may be parked there.
      const connection = await this.#cluster.connectToAddress(coordinator, 'shared')
      const isBatched = connection.versions.supports(leaveGroup, { min: 3 })
      const body = isBatched
        ? { groupId: request.groupId, members: request.members }
        : { groupId: request.groupId, memberId }
      await connection.send(leaveGroup, body, { timeoutMs: LEAVE_TIMEOUT_MS })
    } catch (error) {
      // The session timeout will end the membership in its stead.
      this.#options.client.logger.debug('leaving the group failed', { group: this.#groupId, error })
    }
  }

  async #findCoordinator(call: CallOptions): Promise<void> {
    this.#coordinator = await this.#cluster.coordinatorOf(this.#groupId, call)
    this.#membership.coordinatorFound()
  }

  async #join(call: CallOptions): Promise<void> {
    this.#timer?.cancel()
    const { sessionTimeoutMs, maxPollIntervalMs, groupInstanceId } = this.#options
    const metadata = consumerSubscription.encode({ topics: this.#topics }, 1)
    const request = {
      groupId: this.#groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs: maxPollIntervalMs,
      memberId: this.#membership.memberId,
      groupInstanceId,
      protocolType: 'consumer',
      protocols: ASSIGNORS.map(({ name }) => ({ name, metadata })),
    }
    this.#joined = undefined
    const connection = await this.#connect()
    this.#membership.joinSent()
    try {
      const response = await connection.send(joinGroup, request, {
        signal: call.signal,
        timeoutMs: maxPollIntervalMs + JOIN_GRACE_MS,
      })
      this.#joined = response
      this.#membership.joined({
        errorCode: response.errorCode,
        memberId: response.memberId,
        generation: response.generationId,
      })
    } catch (error) {
      this.#coordinatorLost()
      throw error
    }
  }

  async #sync(call: CallOptions): Promise<void> {
    const joined = this.#joined as JoinGroupResponse
    const isLeader = joined.leader === joined.memberId
    const assignments = isLeader && !joined.skipAssignment ? await this.#dealPartitions(joined, call) : []
    if (!isLeader) this.#leaderCounts = undefined
    const request = {
      ...this.#identity(),
      generationId: this.#membership.generation,
      protocolType: joined.protocolType,
      protocolName: joined.protocolName,
      assignments,
    }
    const response = await this.#ask(call, connection =>
      connection.send(syncGroup, request, {
        signal: call.signal,
        timeoutMs: this.#options.maxPollIntervalMs + JOIN_GRACE_MS,
      }),
    )
    this.#membership.synced(response.errorCode, this.#nowMs())
    if (response.errorCode !== ErrorCode.NONE) return
    const assignment =
      response.assignment.length === 0 ? [] : consumerAssignment.decode(response.assignment).assignedPartitions
    this.#options.client.logger.info('joined group', {
      group: this.#groupId,
      generation: this.#membership.generation,
      assignment,
    })
    this.#cluster.trackTopics(assignment.map(({ topic }) => topic))
    this.#events.assigned(assignment)
    this.#armHeartbeat()
  }

  /** The leader's work: every member's subscription in, every member's partitions out. */
  async #dealPartitions(
    joined: JoinGroupResponse,
    call: CallOptions,
  ): Promise<{ memberId: string; assignment: Buffer }[]> {
    const assignor = ASSIGNORS.find(({ name }) => name === joined.protocolName)
    if (!assignor)
      throw new KafkaError(
        'INCONSISTENT_GROUP_PROTOCOL',
        `the group chose '${joined.protocolName}', which this consumer did not offer`,
      )
    const members: AssignorMember[] = joined.members.map(({ memberId, groupInstanceId, metadata }) => ({
      memberId,
      groupInstanceId,
      topics: consumerSubscription.decode(metadata).topics,
    }))
    const topics = [...new Set(members.flatMap(member => member.topics))]
    this.#cluster.trackTopics(topics)
    await this.#cluster.retrying(call, () => this.#cluster.refresh())
    const counts = new Map(topics.map(topic => [topic, this.#partitionCount(topic)]))
    this.#leaderCounts = counts
    const dealt = assignor.assign(members, counts)
    return members.map(({ memberId }) => ({
      memberId,
      assignment: consumerAssignment.encode({ assignedPartitions: dealt.get(memberId) ?? [] }, 1),
    }))
  }

  #partitionCount(topic: string): number {
    return this.#cluster.metadata.topic(topic)?.partitions.length ?? 0
  }

  #armHeartbeat(): void {
    this.#timer?.cancel()
    this.#timer = this.#options.client.host.timers.setTimer(this.#options.heartbeatIntervalMs, () => void this.#beat())
  }

  /** Runs on its own timer, so that a slow handler does not cost the membership until maxPollIntervalMs says so. */
  async #beat(): Promise<void> {
    const memberId = this.#membership.memberId
    const due = this.#membership.due(this.#nowMs())
    if (due === 'leave') {
      this.#options.client.logger.warn('left the group: no records were asked for in maxPollIntervalMs', {
        group: this.#groupId,
      })
      void this.#sendLeave(memberId)
    }
    // Whoever is reading shows it by coming back: settle() and polled() follow.
    this.#events.attention()
    if (!this.#membership.isMember) return
    this.#armHeartbeat()
    if (this.#isHeartbeating || due !== 'heartbeat') return
    this.#isHeartbeating = true
    this.#membership.heartbeatSent(this.#nowMs())
    const { generation } = this.#membership
    try {
      const call = { deadline: this.#cluster.deadline(this.#options.sessionTimeoutMs) }
      const request = { ...this.#identity(), generationId: generation }
      const response = await this.#ask(call, connection => connection.send(heartbeat, request))
      // An answer about an older generation says nothing about this one.
      if (generation === this.#membership.generation) this.#heard(response.errorCode)
    } catch (error) {
      this.#options.client.logger.debug('heartbeat failed', { group: this.#groupId, error: asKafkaError(error) })
    } finally {
      this.#isHeartbeating = false
    }
    if (this.#membership.needsAttention) this.#events.attention()
  }

  /** One exchange with the coordinator, which is looked up again after a connection failed or it said it is not the one. */
  async #ask<T>(call: CallOptions, exchange: (connection: Connection) => Promise<T>): Promise<T> {
    if (!this.#membership.coordinatorKnown) await this.#findCoordinator(call)
    try {
      return await exchange(await this.#connect())
    } catch (error) {
      this.#coordinatorLost()
      throw error
    }
  }

  #heard(errorCode: number): void {
    if (errorCode === ErrorCode.NOT_COORDINATOR || errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE)
      this.#coordinatorLost()
    this.#membership.heartbeatAnswered(errorCode, this.#nowMs())
    if (this.#membership.needsAttention) this.#events.attention()
  }

  #connect(): Promise<Connection> {
    const coordinator = this.#coordinator
    if (!coordinator) return Promise.reject(new KafkaError('COORDINATOR_NOT_AVAILABLE', `group '${this.#groupId}'`))
    return this.#cluster.connectToAddress(coordinator, 'group')
  }

  #coordinatorLost(): void {
    this.#coordinator = undefined
    this.#membership.coordinatorLost()
  }

  #identity(): { groupId: string; memberId: string; groupInstanceId: string | null } {
    return {
      groupId: this.#groupId,
      memberId: this.#membership.memberId,
      groupInstanceId: this.#options.groupInstanceId,
    }
  }

  #progressed(): void {
    this.#failures = 0
    this.#failingSinceMs = undefined
  }

  async #pauseBeforeRetry(signal: AbortSignal | undefined, error: KafkaError): Promise<void> {
    const { client, stallTimeoutMs } = this.#options
    const nowMs = this.#nowMs()
    this.#failingSinceMs ??= nowMs
    if (nowMs - this.#failingSinceMs > stallTimeoutMs) {
      throw new KafkaError(
        error.code,
        `group '${this.#groupId}' could not be joined in ${stallTimeoutMs} ms: ${error.message}`,
        { cause: error },
      )
    }
    await pause(client.host, backoffMs(client.retryBackoff, this.#failures++, drawUnit(client.host)), signal)
  }

  #nowMs(): number {
    return this.#options.client.host.clock.monotonicMs()
  }
}

function groupByTopic<P extends TopicPartition, T>(
  partitions: readonly P[],
  of: (partition: P) => T,
): readonly { readonly name: string; readonly partitions: readonly T[] }[] {
  const topics = new Map<string, T[]>()
  for (const partition of partitions) {
    const list = topics.get(partition.topic)
    if (list) list.push(of(partition))
    else topics.set(partition.topic, [of(partition)])
  }
  return [...topics].map(([name, list]) => ({ name, partitions: list }))
}
