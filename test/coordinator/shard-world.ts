// Owns a world of one group shard for tests: time moves when told, appends succeed or fail as told, answers are kept.
// It does what the runtime does, without lanes: events are handled one after another and appends settle at once.
import assert from 'node:assert'
import type {
  ErrorName,
  HeartbeatRequest,
  JoinGroupRequest,
  LeaveGroupRequest,
  OffsetCommitRequest,
  SyncGroupRequest,
} from '#protocol'
import { consumerSubscription, ZERO_UUID } from '#protocol'
import type {
  Client,
  GroupDecision,
  GroupEvent,
  GroupResponse,
  GroupResponses,
  RequestEvent,
  RequestKind,
} from '../../src/coordinator/group/group-events.ts'
import { type GroupRecord, groupRecordSerde } from '../../src/coordinator/group/group-records.ts'
import type { GroupSettings } from '../../src/coordinator/group/group-settings.ts'
import { GroupShard } from '../../src/coordinator/group/group-shard.ts'

export const SETTINGS: GroupSettings = {
  sessionTimeoutMsMin: 6_000,
  sessionTimeoutMsMax: 1_800_000,
  initialRebalanceDelayMs: 3_000,
  groupSizeMax: 1_000,
  offsetMetadataLengthMax: 16,
  offsetsRetentionMs: 86_400_000,
  offsetsRetentionCheckIntervalMs: 600_000,
}

interface PendingTimer {
  readonly atMs: number
  readonly event: GroupEvent
}

export class ShardWorld {
  readonly shard: GroupShard
  readonly settings: GroupSettings
  readonly log: GroupRecord[] = []
  /** Records of each append, in order. */
  readonly appends: (readonly GroupRecord[])[] = []
  readonly #answers = new Map<number, GroupResponse>()
  readonly #timers = new Map<string, PendingTimer>()
  nowMs = 1_000_000
  failNextAppend: ErrorName | null = null
  #nextRequest = 1

  constructor(settings: Partial<GroupSettings> = {}) {
    this.settings = { ...SETTINGS, ...settings }
    this.shard = new GroupShard(this.settings)
    this.#carryOut(this.shard.loaded(this.nowMs))
  }

  /** The state this log leads to, decoded from the bytes that would be on disk. */
  static fromLog(log: readonly GroupRecord[], settings: GroupSettings = SETTINGS): ShardWorld {
    const world = new ShardWorld(settings)
    for (const [index, record] of log.entries()) {
      const { key, value } = groupRecordSerde.encode(record)
      const decoded = groupRecordSerde.decode(key, value)
      assert(decoded !== null)
      world.log.push(decoded)
      world.shard.replay(decoded, { offset: BigInt(index), transactionalProducerId: -1n })
    }
    world.#carryOut(world.shard.loaded(world.nowMs))
    return world
  }

  send<K extends RequestKind>(event: RequestEvent<K>): Call<GroupResponses[K]> {
    const request = this.#nextRequest++
    this.#carryOut(this.shard.handle(event as GroupEvent, request, this.nowMs))
    return new Call(() => this.#answers.get(request) as GroupResponses[K] | undefined)
  }

  post(event: GroupEvent): void {
    this.#carryOut(this.shard.handle(event, null, this.nowMs))
  }

  advance(byMs: number): void {
    const untilMs = this.nowMs + byMs
    for (;;) {
      let next: [string, PendingTimer] | undefined
      for (const entry of this.#timers)
        if (entry[1].atMs <= untilMs && (next === undefined || entry[1].atMs < next[1].atMs)) next = entry
      if (next === undefined) break
      this.#timers.delete(next[0])
      this.nowMs = Math.max(this.nowMs, next[1].atMs)
      this.post(next[1].event)
    }
    this.nowMs = untilMs
  }

  get timers(): readonly string[] {
    return [...this.#timers.keys()]
  }

  #carryOut(decision: GroupDecision): void {
    for (const command of decision.commands) {
      switch (command.kind) {
        case 'respond':
          assert(!this.#answers.has(command.to), 'a request is answered once')
          this.#answers.set(command.to, command.response)
          break
        case 'setTimer':
          this.#timers.set(command.key, { atMs: this.nowMs + command.delayMs, event: command.event })
          break
        case 'cancelTimer':
          this.#timers.delete(command.key)
          break
        case 'submit':
          this.post(command.event)
          break
        case 'report':
          break
        default:
          command satisfies never
      }
    }
    if (decision.records.length > 0) this.#append(decision)
  }

  #append(decision: GroupDecision): void {
    const failure = this.failNextAppend
    this.failNextAppend = null
    if (failure === null) {
      this.appends.push(decision.records)
      for (const record of decision.records) {
        const offset = BigInt(this.log.push(record) - 1)
        if (decision.replay) this.shard.replay(record, { offset, transactionalProducerId: -1n })
      }
    }
    if (decision.settled !== null) this.#carryOut(decision.settled(failure, this.nowMs))
  }

  // ---- requests, by name

  #uuid = 1

  join(options: JoinOptions = {}): Call<GroupResponses['join']> {
    const { apiVersion = 9, clientId = 'client', clientHost = '/127.0.0.1', ...request } = options
    const client = { apiVersion, clientId, clientHost }
    return this.send<'join'>({
      kind: 'join',
      request: joinRequest(request),
      client,
      newMemberUuid: `uuid${this.#uuid++}`,
    })
  }

  /** Joins as KIP-394 has it: asks for a member id, then joins with it. The call is the second one. */
  joinTwice(options: JoinOptions = {}): { readonly memberId: string; readonly call: Call<GroupResponses['join']> } {
    const { memberId } = this.join(options).answer
    assert(memberId !== undefined && memberId !== '')
    return { memberId, call: this.join({ ...options, memberId }) }
  }

  sync(options: Partial<SyncGroupRequest> & Partial<Client> = {}): Call<GroupResponses['sync']> {
    const { apiVersion = 3, clientId = 'client', clientHost = '/127.0.0.1', ...request } = options
    return this.send<'sync'>({
      kind: 'sync',
      client: { apiVersion, clientId, clientHost },
      request: {
        groupId: 'g',
        generationId: 1,
        memberId: '',
        groupInstanceId: null,
        protocolType: null,
        protocolName: null,
        assignments: [],
        ...request,
      },
    })
  }

  heartbeat(options: Partial<HeartbeatRequest> = {}): number {
    const request = { groupId: 'g', generationId: 1, memberId: '', groupInstanceId: null, ...options }
    return this.send<'heartbeat'>({ kind: 'heartbeat', request, client: clientAt(4) }).answer.errorCode ?? 0
  }

  leave(options: Partial<LeaveGroupRequest> & { readonly apiVersion?: number } = {}): Call<GroupResponses['leave']> {
    const { apiVersion = 5, ...request } = options
    return this.send<'leave'>({
      kind: 'leave',
      request: { groupId: 'g', memberId: '', members: [], ...request },
      client: clientAt(apiVersion),
    })
  }

  commit(options: CommitOptions = {}): Call<GroupResponses['commit']> {
    const {
      apiVersion = 9,
      offsets = { 'topic-0': 10n },
      metadata = null,
      topicId = ZERO_UUID,
      leaderEpoch = -1,
      ...request
    } = options
    const topics = Object.entries(offsets).map(([name, committedOffset]) => ({
      name: name.slice(0, name.lastIndexOf('-')),
      topicId,
      partitions: [
        {
          partitionIndex: Number(name.slice(name.lastIndexOf('-') + 1)),
          committedOffset,
          committedLeaderEpoch: leaderEpoch,
          committedMetadata: metadata,
        },
      ],
    }))
    return this.send<'commit'>({
      kind: 'commit',
      client: clientAt(apiVersion),
      request: {
        groupId: 'g',
        generationIdOrMemberEpoch: -1,
        memberId: '',
        groupInstanceId: null,
        retentionTimeMs: -1n,
        topics,
        ...request,
      },
    })
  }

  /** Offset of one partition, -1n when there is none. */
  committed(partition: string, groupId = 'g'): bigint {
    const dash = partition.lastIndexOf('-')
    const offset = this.shard.offsets.get(groupId, partition.slice(0, dash), Number(partition.slice(dash + 1)))
    return offset?.offset ?? -1n
  }

  state(groupId = 'g'): string {
    return this.shard.groups.get(groupId)?.state ?? 'none'
  }

  /** A stable group of `count` members; the first leads. */
  stableGroup(
    count = 1,
    options: JoinOptions = {},
  ): { readonly memberIds: readonly string[]; readonly generation: number } {
    const joins = Array.from({ length: count }, (_, index) => {
      const mine =
        options.groupInstanceId === undefined
          ? options
          : { ...options, groupInstanceId: `${options.groupInstanceId}${index}` }
      if (mine.groupInstanceId !== undefined) return this.join(mine)
      return this.joinTwice(mine).call
    })
    this.advance(this.settings.initialRebalanceDelayMs * (count + 1))
    const memberIds = joins.map(call => call.answer.memberId ?? '')
    const generation = joins[0]?.answer.generationId ?? 0
    const groupId = options.groupId ?? 'g'
    for (const memberId of memberIds.slice(1)) this.sync({ groupId, memberId, generationId: generation })
    this.sync({
      groupId,
      memberId: memberIds[0] ?? '',
      generationId: generation,
      assignments: memberIds.map(memberId => ({ memberId, assignment: Buffer.from(`for ${memberId}`) })),
    })
    assert.equal(this.state(groupId), 'Stable')
    return { memberIds, generation }
  }
}

export class Call<Response> {
  readonly #look: () => Response | undefined

  constructor(look: () => Response | undefined) {
    this.#look = look
  }

  get isParked(): boolean {
    return this.#look() === undefined
  }

  get answer(): Response {
    const answer = this.#look()
    assert(answer !== undefined, 'the request is still parked')
    return answer
  }
}

export type JoinOptions = Partial<JoinGroupRequest> & Partial<Client>
export type CommitOptions = Partial<OffsetCommitRequest> & {
  readonly apiVersion?: number
  /** 'topic-partition' to offset. */
  readonly offsets?: Readonly<Record<string, bigint>>
  readonly metadata?: string | null
  readonly topicId?: string
  readonly leaderEpoch?: number
}

export function clientAt(apiVersion: number): Client {
  return { apiVersion, clientId: 'client', clientHost: '/127.0.0.1' }
}

export function joinRequest(options: Partial<JoinGroupRequest> = {}): JoinGroupRequest {
  return {
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: protocols('range'),
    reason: null,
    ...options,
  }
}

/** Protocols of these names, all subscribed to 'topic'. */
export function protocols(...names: readonly string[]): { readonly name: string; readonly metadata: Buffer }[] {
  const metadata = consumerSubscription.encode({ topics: ['topic'] })
  return names.map(name => ({ name, metadata }))
}
