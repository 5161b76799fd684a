// Owns the groups and offsets of one partition of `__consumer_offsets`, as a pure state machine. Never waits, reads a clock or
// writes anything: it decides, and the runtime does.
// Invariants: replaying the log gives the same offsets and the same settled groups (Empty, Stable) as are live; a group with
// offsets exists; at most one decision of a group is on its way to the log, beside offset commits.
import { AssertionError } from '#host'
import { ErrorCode, type ErrorName } from '#protocol'
import type { Admission, CoordinatorKind, CoordinatorShard, ReplayContext, RequestId } from '../runtime/shard.ts'
import { joinFailure, syncFailure } from './classic/answers.ts'
import { ClassicGroup, UNLOGGED_GROUP } from './classic/classic-group.ts'
import { type DescribedGroup, describeGroup, type ListedGroup, listGroup } from './classic/describe.ts'
import { newGroupRecord } from './classic/group-snapshot.ts'
import { expectHeartbeat, stopAllTimers } from './classic/group-timers.ts'
import { heartbeat } from './classic/heartbeat.ts'
import { faultOfJoin, join } from './classic/join.ts'
import { faultOfLeave, leave, unknownGroupAnswer } from './classic/leave.ts'
import { initialJoinDue, joinDue, memberDue, startRebalance, syncDue } from './classic/rebalance.ts'
import { faultOfSync, sync } from './classic/sync.ts'
import {
  type DeletedTopic,
  type GroupDecision,
  type GroupEvent,
  type GroupResponse,
  type GroupTurn,
  groupTurn,
  type RequestEvent,
} from './group-events.ts'
import { type GroupRecord, groupRecordSerde, type OffsetRecord } from './group-records.ts'
import { GROUPS_MAX, type GroupSettings, TOMBSTONES_PER_APPEND } from './group-settings.ts'
import {
  commitAnswer,
  commitFailure,
  faultOfCommit,
  keepCommitterAlive,
  offsetRecords,
} from './offsets/offset-commit.ts'
import { allOffsets, expiredOffsets, offsetsOfTopics } from './offsets/offset-expiry.ts'
import { type FetchedGroup, fetchOffsets, type GroupToFetch } from './offsets/offset-fetch.ts'
import { OffsetStore } from './offsets/offset-store.ts'
import { refuse } from './refusals.ts'

/** Events of the whole partition share a lane no group id can name. */
const PARTITION_LANE = '\0'

export class GroupShard implements CoordinatorShard<GroupEvent, GroupResponse, GroupRecord> {
  readonly #settings: GroupSettings
  readonly #groups = new Map<string, ClassicGroup>()
  readonly #offsets = new OffsetStore()

  constructor(settings: GroupSettings) {
    this.#settings = settings
  }

  // ---- looking

  describe(groupId: string): DescribedGroup | null {
    const group = this.#groups.get(groupId)
    return group === undefined ? null : describeGroup(group)
  }

  list(): readonly ListedGroup[] {
    return [...this.#groups.values()].map(listGroup)
  }

  fetch(group: GroupToFetch, requireStable: boolean): FetchedGroup {
    return fetchOffsets(this.#offsets, group, requireStable)
  }

  get groups(): ReadonlyMap<string, ClassicGroup> {
    return this.#groups
  }

  get offsets(): OffsetStore {
    return this.#offsets
  }

  // ---- deciding

  admit(event: GroupEvent): Admission {
    switch (event.kind) {
      case 'commit':
      case 'heartbeat':
        return { lane: event.request.groupId, mode: 'shared' }
      case 'join':
      case 'sync':
      case 'leave':
      case 'deleteOffsets':
        return { lane: event.request.groupId, mode: 'exclusive' }
      case 'sweep':
      case 'topicsDeleted':
        return { lane: PARTITION_LANE, mode: 'exclusive' }
      default:
        return { lane: event.groupId, mode: 'exclusive' }
    }
  }

  handle(event: GroupEvent, request: RequestId | null, nowMs: number): GroupDecision {
    const turn = groupTurn(nowMs)
    if (request === null) this.#handleInternal(event, turn)
    else this.#handleRequest(event, request, turn)
    return turn.decision()
  }

  #handleRequest(event: GroupEvent, request: RequestId, turn: GroupTurn): void {
    switch (event.kind) {
      case 'join':
        return this.#join(event, request, turn)
      case 'sync':
        return this.#sync(event, request, turn)
      case 'heartbeat':
        return turn.respond(request, { errorCode: ErrorCode[this.#heartbeat(event, turn)] })
      case 'leave':
        return this.#leave(event, request, turn)
      case 'commit':
        return this.#commit(event, request, turn)
      case 'deleteOffsets':
        return this.#deleteOffsets(event, request, turn)
      case 'deleteGroup':
        return this.#deleteGroup(event.groupId, request, turn)
      default:
        throw new AssertionError(`nobody waits for an answer to ${event.kind}`)
    }
  }

  #handleInternal(event: GroupEvent, turn: GroupTurn): void {
    switch (event.kind) {
      case 'sweep':
        return this.#sweep(turn)
      case 'topicsDeleted':
        return this.#submitForgetTopics(event.topics, turn)
      case 'expireGroup':
        return this.#expireGroup(event.groupId, turn)
      case 'forgetTopics':
        return this.#forgetTopics(event, turn)
      case 'memberDue':
        return this.#withGroup(event.groupId, group => memberDue(group, event.memberId, turn, this.#settings))
      case 'initialJoinDue':
        return this.#withGroup(event.groupId, group => initialJoinDue(group, event, turn, this.#settings))
      case 'joinDue':
        return this.#withGroup(event.groupId, group => joinDue(group, turn))
      case 'syncDue':
        return this.#withGroup(event.groupId, group => syncDue(group, event.generation, turn, this.#settings))
      default:
        throw new AssertionError(`${event.kind} is a request`)
    }
  }

  /** A timer may be late: its group may be gone. */
  #withGroup(groupId: string, act: (group: ClassicGroup) => void): void {
    const group = this.#groups.get(groupId)
    if (group !== undefined) act(group)
  }

  // ---- membership

  #join(event: RequestEvent<'join'>, request: RequestId, turn: GroupTurn): void {
    const { groupId, memberId, protocolType, protocols } = event.request
    const fault = faultOfJoin(event, this.#settings)
    if (fault !== null) return turn.respond(request, joinFailure(fault, memberId))
    const group = this.#groups.get(groupId)
    if (group !== undefined) return join(group, { event, request, settings: this.#settings }, turn)
    if (memberId !== '') return turn.respond(request, joinFailure('UNKNOWN_MEMBER_ID', memberId))
    if (protocolType === '' || protocols.length === 0) {
      return turn.respond(request, joinFailure('INCONSISTENT_GROUP_PROTOCOL', memberId))
    }
    if (this.#groups.size >= GROUPS_MAX) {
      return turn.respond(request, joinFailure('COORDINATOR_NOT_AVAILABLE', memberId))
    }
    // A group exists once the log says so; then the member joins it.
    turn.append([newGroupRecord(groupId, turn.nowMs)], (failure, later) => {
      if (failure !== null) later.respond(request, joinFailure(failure, memberId))
      else this.#join(event, request, later)
    })
  }

  #sync(event: RequestEvent<'sync'>, request: RequestId, turn: GroupTurn): void {
    const group = this.#groups.get(event.request.groupId)
    const fault = faultOfSync(event) ?? (group === undefined ? 'UNKNOWN_MEMBER_ID' : null)
    if (fault !== null || group === undefined) return turn.respond(request, syncFailure(fault ?? 'UNKNOWN_MEMBER_ID'))
    sync(group, { event, request, settings: this.#settings }, turn)
  }

  #heartbeat({ request }: RequestEvent<'heartbeat'>, turn: GroupTurn): ErrorName {
    if (request.groupId === '') return 'INVALID_GROUP_ID'
    const group = this.#groups.get(request.groupId)
    return group === undefined ? 'UNKNOWN_MEMBER_ID' : heartbeat(group, request, turn)
  }

  #leave(event: RequestEvent<'leave'>, request: RequestId, turn: GroupTurn): void {
    const fault = faultOfLeave(event.request)
    if (fault !== null) return turn.respond(request, { errorCode: ErrorCode[fault] })
    const group = this.#groups.get(event.request.groupId)
    if (group === undefined) return turn.respond(request, unknownGroupAnswer(event))
    leave(group, { event, request, settings: this.#settings }, turn)
  }

  // ---- offsets

  #commit(event: RequestEvent<'commit'>, request: RequestId, turn: GroupTurn): void {
    const group = this.#groups.get(event.request.groupId) ?? null
    const fault =
      faultOfCommit(group, event) ??
      (group === null && this.#groups.size >= GROUPS_MAX ? 'COORDINATOR_NOT_AVAILABLE' : null)
    if (fault !== null) return turn.respond(request, commitFailure(event.request, fault))
    if (group !== null) keepCommitterAlive(group, event.request, turn)
    const records = offsetRecords(event.request, turn.nowMs, this.#settings)
    if (records.length > 0) turn.append(records)
    turn.whenSettled((failure, later) => {
      const answer =
        failure === null ? commitAnswer(event.request, this.#settings) : commitFailure(event.request, failure)
      later.respond(request, answer)
    })
  }

  #deleteOffsets({ request: asked }: RequestEvent<'deleteOffsets'>, request: RequestId, turn: GroupTurn): void {
    const group = this.#groups.get(asked.groupId)
    const fault = faultOfOffsetDelete(asked.groupId, group)
    if (fault !== null || group === undefined) {
      return turn.respond(request, { errorCode: ErrorCode[fault ?? 'GROUP_ID_NOT_FOUND'] })
    }
    const records: OffsetRecord[] = []
    const topics = asked.topics.map(({ name, partitions }) => {
      const isSubscribed = group.isSubscribedTo(name)
      for (const { partitionIndex: partition } of isSubscribed ? [] : partitions) {
        const isThere = this.#offsets.get(group.groupId, name, partition) !== null
        if (!isThere && !this.#offsets.isUnstable(group.groupId, name, partition)) continue
        records.push({ kind: 'offset', groupId: group.groupId, topic: name, partition, value: null })
      }
      const errorCode = isSubscribed ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : ErrorCode.NONE
      return { name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }
    })
    if (records.length > 0) turn.append(records)
    turn.whenSettled((failure, later) => {
      later.respond(request, failure === null ? { topics } : { errorCode: ErrorCode[failure] })
    })
  }

  // ---- deleting

  #deleteGroup(groupId: string, request: RequestId, turn: GroupTurn): void {
    const group = this.#groups.get(groupId)
    const error: ErrorName = group === undefined ? 'GROUP_ID_NOT_FOUND' : group.is('Empty') ? 'NONE' : 'NON_EMPTY_GROUP'
    if (error !== 'NONE' || group === undefined) return turn.respond(request, { errorCode: ErrorCode[error] })
    // Its offsets first, in as many appends as it takes; the group with the last of them.
    const offsets = allOffsets(this.#offsets, groupId, TOMBSTONES_PER_APPEND)
    const isLast = offsets.length < TOMBSTONES_PER_APPEND
    if (isLast) stopAllTimers(turn, group)
    turn.append(isLast ? [...offsets, groupTombstone(groupId)] : offsets, (failure, later) => {
      if (failure !== null || isLast) later.respond(request, { errorCode: ErrorCode[failure ?? 'NONE'] })
      else this.#deleteGroup(groupId, request, later)
    })
  }

  #sweep(turn: GroupTurn): void {
    for (const groupId of this.#groups.keys()) turn.submit({ kind: 'expireGroup', groupId })
    turn.setTimer('sweep', this.#settings.offsetsRetentionCheckIntervalMs, { kind: 'sweep' })
  }

  #expireGroup(groupId: string, turn: GroupTurn): void {
    const group = this.#groups.get(groupId)
    if (group === undefined) return
    const options = { settings: this.#settings, limit: TOMBSTONES_PER_APPEND }
    const expired: GroupRecord[] = expiredOffsets(this.#offsets, group, turn.nowMs, options)
    if (expired.length === TOMBSTONES_PER_APPEND) {
      turn.append(expired, (failure, later) => {
        if (failure === null) later.submit({ kind: 'expireGroup', groupId })
      })
      return
    }
    if (this.#isDone(group, expired.length)) expired.push(groupTombstone(groupId))
    if (expired.length > 0) turn.append(expired)
  }

  /** Nobody is in it or on the way, and with `expiring` offsets gone nothing is left of it. */
  #isDone(group: ClassicGroup, expiring: number): boolean {
    if (!group.is('Empty') || group.pendingJoins.size > 0 || this.#offsets.hasOpenTransaction(group.groupId))
      return false
    let left = -expiring
    for (const partitions of this.#offsets.ofGroup(group.groupId).values()) left += partitions.size
    return left === 0
  }

  #submitForgetTopics(topics: readonly DeletedTopic[], turn: GroupTurn): void {
    // Every group: one may have a commit for such a topic on its way to the log, which its lane waits for.
    for (const groupId of this.#groups.keys()) turn.submit({ kind: 'forgetTopics', groupId, topics })
  }

  #forgetTopics(event: Extract<GroupEvent, { kind: 'forgetTopics' }>, turn: GroupTurn): void {
    const records = offsetsOfTopics(this.#offsets, event.groupId, event.topics, TOMBSTONES_PER_APPEND)
    if (records.length === 0) return
    turn.append(records, (failure, later) => {
      if (failure === null && records.length === TOMBSTONES_PER_APPEND) later.submit(event)
    })
  }

  // ---- replaying

  replay(record: GroupRecord, { offset, transactionalProducerId }: ReplayContext): void {
    switch (record.kind) {
      case 'offset':
        // A simple consumer commits to a group nobody joins: it exists because of its offsets.
        if (record.value !== null) this.#ensureGroup(record.groupId)
        this.#offsets.replay(record, offset, transactionalProducerId)
        break
      case 'group':
        if (record.value === null) this.#groups.delete(record.groupId)
        else this.#groups.set(record.groupId, new ClassicGroup(record.groupId, record.value))
        break
      default:
        record satisfies never
    }
  }

  replayMarker(producerId: bigint, committed: boolean): void {
    this.#offsets.replayMarker(producerId, committed)
  }

  loaded(nowMs: number): GroupDecision {
    const turn = groupTurn(nowMs)
    for (const groupId of this.#offsets.groupIds) this.#ensureGroup(groupId)
    for (const group of this.#groups.values()) {
      for (const member of group.members.values()) expectHeartbeat(turn, group, member)
      if (group.members.size > this.#settings.groupSizeMax)
        startRebalance(group, 'it is larger than group.max.size', turn, this.#settings)
    }
    turn.setTimer('sweep', this.#settings.offsetsRetentionCheckIntervalMs, { kind: 'sweep' })
    return turn.decision()
  }

  #ensureGroup(groupId: string): void {
    if (!this.#groups.has(groupId)) this.#groups.set(groupId, new ClassicGroup(groupId, UNLOGGED_GROUP))
  }
}

function faultOfOffsetDelete(groupId: string, group: ClassicGroup | undefined): ErrorName | null {
  if (groupId === '') return 'INVALID_GROUP_ID'
  if (group === undefined) return 'GROUP_ID_NOT_FOUND'
  // Of consumers the subscription is known, so that other topics' offsets may go while they run.
  return group.is('Empty') || group.usesConsumerProtocol ? null : 'NON_EMPTY_GROUP'
}

function groupTombstone(groupId: string): GroupRecord {
  return { kind: 'group', groupId, value: null }
}

export function groupCoordinatorKind(
  settings: GroupSettings,
): CoordinatorKind<GroupEvent, GroupResponse, GroupRecord> & { createShard(): GroupShard } {
  return { name: 'group-coordinator', serde: groupRecordSerde, createShard: () => new GroupShard(settings), refuse }
}
