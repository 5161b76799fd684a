// Owns the state of one classic consumer group: its members, who joined, which protocol they share. Never answers anyone,
// sets a timer or writes a record (join.ts, sync.ts, leave.ts, rebalance.ts do).
//
//   Empty ──first join──▶ PreparingRebalance ──all joined / timeout──▶ CompletingRebalance ──leader's sync logged──▶ Stable
//     ▲                     ▲    │ no member left, and logged              │  member joins, leaves, expires            │
//     └─────────────────────┼────┘                                        └───────────▶ PreparingRebalance ◀──────────┘
//
// Invariants: the leader is a member; a generation has one leader and one protocol, supported by all members;
// an instance id names one member.
import { assert } from '#host'
import type { RequestId } from '../../runtime/shard.ts'
import { ClassicMember, type MemberFacts, type MemberProtocol, ownProtocols } from './classic-member.ts'
import { CONSUMER_PROTOCOL_TYPE, subscribedTopics } from './consumer-subscription.ts'

export type ClassicGroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

const VALID_PREVIOUS: Readonly<Record<ClassicGroupState, readonly ClassicGroupState[]>> = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Stable', 'CompletingRebalance', 'Empty'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
  Dead: [],
}

export interface LoggedGroup {
  readonly generation: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leaderId: string | null
  /** -1: not known (records of old brokers, and simple groups that were never logged). */
  readonly stateTimestampMs: number
  readonly members: readonly MemberFacts[]
}

export const UNLOGGED_GROUP: LoggedGroup = {
  generation: 0,
  protocolType: null,
  protocolName: null,
  leaderId: null,
  stateTimestampMs: -1,
  members: [],
}

export class ClassicGroup {
  readonly groupId: string
  readonly members = new Map<string, ClassicMember>()
  /** Member ids handed out (MEMBER_ID_REQUIRED) whose owners have not come back yet. */
  readonly pendingJoins = new Set<string>()
  /** Members of this generation that have not sent SyncGroup yet. */
  readonly pendingSyncs = new Set<string>()
  readonly #memberIdByInstance = new Map<string, string>()
  /** How many members support each protocol. */
  readonly #support = new Map<string, number>()
  state: ClassicGroupState
  previousState: ClassicGroupState
  stateTimestampMs: number
  generation: number
  protocolType: string | null
  protocolName: string | null
  leaderId: string | null
  awaitingJoins = 0
  /** Someone joined since the initial rebalance was last put off. */
  newMemberAdded = false
  /** Null when not known: another protocol type, or metadata that cannot be read. */
  subscribedTopics: ReadonlySet<string> | null = null

  constructor(groupId: string, logged: LoggedGroup) {
    this.groupId = groupId
    this.state = logged.members.length === 0 ? 'Empty' : 'Stable'
    this.previousState = this.state
    this.stateTimestampMs = logged.stateTimestampMs
    this.generation = logged.generation
    this.protocolType = logged.protocolType
    this.protocolName = logged.protocolName
    this.leaderId = logged.leaderId
    for (const facts of logged.members) this.add(new ClassicMember(facts), null)
    this.protocolType = logged.protocolType
    if (this.leaderId !== null && !this.members.has(this.leaderId)) this.leaderId = this.#firstMemberId()
    this.subscribedTopics = this.#subscriptions()
  }

  is(...states: readonly ClassicGroupState[]): boolean {
    return states.includes(this.state)
  }

  get usesConsumerProtocol(): boolean {
    return this.protocolType === CONSUMER_PROTOCOL_TYPE
  }

  /** A group of consumers whose subscription is not known may be subscribed to anything. */
  isSubscribedTo(topic: string): boolean {
    return this.subscribedTopics === null ? this.usesConsumerProtocol : this.subscribedTopics.has(topic)
  }

  isLeader(memberId: string): boolean {
    return this.leaderId === memberId
  }

  get canRebalance(): boolean {
    return VALID_PREVIOUS.PreparingRebalance.includes(this.state)
  }

  get haveAllJoined(): boolean {
    return this.members.size === this.awaitingJoins && this.pendingJoins.size === 0
  }

  /** The longest rebalance timeout of all members. */
  get rebalanceTimeoutMs(): number {
    let longestMs = 0
    for (const member of this.members.values()) longestMs = Math.max(longestMs, member.rebalanceTimeoutMs)
    return longestMs
  }

  member(memberId: string): ClassicMember | null {
    return this.members.get(memberId) ?? null
  }

  existingMember(memberId: string): ClassicMember {
    const member = this.members.get(memberId)
    assert(member !== undefined, `${memberId} is not a member of ${this.groupId}`)
    return member
  }

  staticMemberId(instanceId: string): string | null {
    return this.#memberIdByInstance.get(instanceId) ?? null
  }

  /** Why a request of this member must be refused, or null. */
  faultOf(memberId: string, instanceId: string | null): 'UNKNOWN_MEMBER_ID' | 'FENCED_INSTANCE_ID' | null {
    if (instanceId !== null) {
      const owner = this.staticMemberId(instanceId)
      if (owner === null) return 'UNKNOWN_MEMBER_ID'
      if (owner !== memberId) return 'FENCED_INSTANCE_ID'
    }
    return this.members.has(memberId) ? null : 'UNKNOWN_MEMBER_ID'
  }

  /** Whether someone with these protocols could be a member beside the present ones. */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.state === 'Empty') return protocolType !== '' && protocols.length > 0
    if (protocolType !== this.protocolType) return false
    return protocols.some(({ name }) => (this.#support.get(name) ?? 0) === this.members.size)
  }

  add(member: ClassicMember, awaitingJoin: RequestId | null): void {
    assert(!this.members.has(member.memberId), `${member.memberId} is a member already`)
    if (member.instanceId !== null) {
      assert(this.staticMemberId(member.instanceId) === null, `instance ${member.instanceId} is a member already`)
      this.#memberIdByInstance.set(member.instanceId, member.memberId)
    }
    if (this.members.size === 0) this.protocolType = member.protocolType
    assert(this.protocolType === member.protocolType, 'a member has the protocol type of its group')
    this.leaderId ??= member.memberId
    this.members.set(member.memberId, member)
    this.#countSupport(member.protocols, 1)
    this.setAwaitingJoin(member, awaitingJoin)
    this.pendingJoins.delete(member.memberId)
  }

  /** Forgets a member, or a pending one. The first of those left becomes the leader if it led. */
  remove(memberId: string): void {
    const member = this.members.get(memberId)
    if (member !== undefined) {
      this.setAwaitingJoin(member, null)
      this.members.delete(memberId)
      this.#countSupport(member.protocols, -1)
      if (member.instanceId !== null) this.#memberIdByInstance.delete(member.instanceId)
    }
    if (this.isLeader(memberId)) this.leaderId = this.#firstMemberId()
    this.pendingJoins.delete(memberId)
    this.pendingSyncs.delete(memberId)
  }

  /** KIP-345: another process took over the instance id. Everything but the member id stays. */
  replaceStaticMember(old: ClassicMember, newMemberId: string): ClassicMember {
    assert(old.instanceId !== null, 'only a static member is replaced')
    assert(old.awaitingJoin === null && old.awaitingSync === null, 'a replaced member waits for nothing')
    // oxlint-disable-next-line typescript/no-misused-spread -- the fields of the old member are the options of the new one
    const replacement = new ClassicMember({ ...old, memberId: newMemberId })
    this.members.delete(old.memberId)
    this.members.set(newMemberId, replacement)
    this.#memberIdByInstance.set(old.instanceId, newMemberId)
    if (this.isLeader(old.memberId)) this.leaderId = newMemberId
    if (this.pendingSyncs.delete(old.memberId)) this.pendingSyncs.add(newMemberId)
    return replacement
  }

  setProtocols(member: ClassicMember, protocols: readonly MemberProtocol[]): void {
    this.#countSupport(member.protocols, -1)
    member.protocols = ownProtocols(protocols)
    this.#countSupport(member.protocols, 1)
  }

  setAwaitingJoin(member: ClassicMember, request: RequestId | null): void {
    if (member.awaitingJoin === null && request !== null) this.awaitingJoins++
    if (member.awaitingJoin !== null && request === null) this.awaitingJoins--
    member.awaitingJoin = request
  }

  /** Keeps the leader if it rejoined, else picks the first member that did. False when nobody did. */
  electJoinedLeader(): boolean {
    if (this.leaderId === null) return false
    if (this.existingMember(this.leaderId).awaitingJoin !== null) return true
    for (const member of this.members.values()) {
      if (member.awaitingJoin === null) continue
      this.leaderId = member.memberId
      return true
    }
    return false
  }

  /** The protocol most members prefer among those all of them support; of equals, the one voted for first. */
  selectProtocol(): string {
    const candidates = new Set<string>()
    for (const [name, count] of this.#support) if (count === this.members.size) candidates.add(name)
    const votes = new Map<string, number>()
    for (const member of this.members.values()) {
      const name = member.vote(candidates)
      assert(name !== null, `${member.memberId} supports none of the protocols all members share`)
      votes.set(name, (votes.get(name) ?? 0) + 1)
    }
    let selected: string | null = null
    let most = 0
    for (const [name, count] of votes) if (count > most) [selected, most] = [name, count]
    assert(selected !== null, 'a group with members has a protocol')
    return selected
  }

  startNextGeneration(nowMs: number): void {
    assert(this.members.size > 0, 'a generation has members')
    this.generation = nextGeneration(this.generation)
    this.protocolName = this.selectProtocol()
    this.subscribedTopics = this.#subscriptions()
    this.pendingSyncs.clear()
    this.transitionTo('CompletingRebalance', nowMs)
  }

  becomeEmpty(generation: number, nowMs: number): void {
    assert(this.members.size === 0, 'an empty group has no members')
    this.generation = generation
    this.protocolName = null
    this.subscribedTopics = this.#subscriptions()
    this.pendingSyncs.clear()
    this.transitionTo('Empty', nowMs)
  }

  transitionTo(state: ClassicGroupState, nowMs: number): void {
    assert(VALID_PREVIOUS[state].includes(this.state), `group ${this.groupId} goes from ${this.state} to ${state}`)
    this.previousState = this.state
    this.state = state
    this.stateTimestampMs = nowMs
  }

  #firstMemberId(): string | null {
    return this.members.keys().next().value ?? null
  }

  #countSupport(protocols: readonly MemberProtocol[], by: 1 | -1): void {
    for (const name of new Set(protocols.map(protocol => protocol.name))) {
      const count = (this.#support.get(name) ?? 0) + by
      if (count === 0) this.#support.delete(name)
      else this.#support.set(name, count)
    }
  }

  #subscriptions(): ReadonlySet<string> | null {
    if (!this.usesConsumerProtocol) return null
    if (this.members.size === 0) return new Set()
    if (this.protocolName === null) return null
    const all = new Set<string>()
    for (const member of this.members.values()) {
      const topics = subscribedTopics(member.metadataOf(this.protocolName) ?? Buffer.alloc(0))
      if (topics === null) return null
      for (const topic of topics) all.add(topic)
    }
    return all
  }
}

/** Wraps to 0 rather than to a negative number, which would mean "no generation". */
export function nextGeneration(generation: number): number {
  return generation === 0x7fffffff ? 0 : generation + 1
}
