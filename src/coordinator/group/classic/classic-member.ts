// Owns one member of a classic group. Never decides about the group.
// Invariant: it keeps copies of what clients sent, so that no request frame stays in memory because of a member.
import type { RequestId } from '../../runtime/shard.ts'

export interface MemberProtocol {
  readonly name: string
  readonly metadata: Buffer
}

export interface MemberFacts {
  readonly memberId: string
  readonly instanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly MemberProtocol[]
  readonly assignment?: Buffer
}

export const NO_ASSIGNMENT = Buffer.alloc(0)

export class ClassicMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly protocolType: string
  clientId: string
  clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocols: readonly MemberProtocol[]
  assignment: Buffer
  /** The parked JoinGroup or SyncGroup of this member, if any. */
  awaitingJoin: RequestId | null = null
  awaitingSync: RequestId | null = null
  /** It has joined but never got an answer: it does not know its own id yet, and cannot heartbeat. */
  isNew = false

  constructor(facts: MemberFacts) {
    this.memberId = facts.memberId
    this.instanceId = facts.instanceId
    this.protocolType = facts.protocolType
    this.clientId = facts.clientId
    this.clientHost = facts.clientHost
    this.sessionTimeoutMs = facts.sessionTimeoutMs
    this.rebalanceTimeoutMs = facts.rebalanceTimeoutMs
    this.protocols = ownProtocols(facts.protocols)
    this.assignment = facts.assignment === undefined ? NO_ASSIGNMENT : Buffer.from(facts.assignment)
  }

  get isStatic(): boolean {
    return this.instanceId !== null
  }

  /** A member whose own request waits here is alive, unless it is new: those may be leftovers of a client that gave up. */
  get isKeptAlive(): boolean {
    return !this.isNew && (this.awaitingJoin !== null || this.awaitingSync !== null)
  }

  hasSameProtocols(protocols: readonly MemberProtocol[]): boolean {
    if (protocols.length !== this.protocols.length) return false
    return this.protocols.every((mine, index) => {
      const theirs = protocols[index]
      return theirs !== undefined && mine.name === theirs.name && mine.metadata.equals(theirs.metadata)
    })
  }

  metadataOf(protocolName: string): Buffer | null {
    return this.protocols.find(({ name }) => name === protocolName)?.metadata ?? null
  }

  /** Its favourite among the candidates: clients list protocols in order of preference. */
  vote(candidates: ReadonlySet<string>): string | null {
    return this.protocols.find(({ name }) => candidates.has(name))?.name ?? null
  }
}

export function ownProtocols(protocols: readonly MemberProtocol[]): readonly MemberProtocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) }))
}
