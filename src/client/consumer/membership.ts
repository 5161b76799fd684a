// Owns what a consumer believes about its place in a classic group. Pure: responses and the time come in, the next step comes out.
// Never sends, waits or reads a clock. Invariant: a generation is held exactly in `syncing`, `stable` and `rebalancing`.
//
//   outside      → joining      begin(): the coordinator is known and a JoinGroup goes out
//   joining      → syncing      JoinGroup answered with a generation
//   joining      → outside      JoinGroup refused: retry, with the member id the answer gave or without one
//   syncing      → stable       SyncGroup answered with an assignment
//   syncing      → outside      SyncGroup refused (another rebalance began, the generation is gone, the coordinator moved)
//   stable       → rebalancing  a heartbeat or commit answers REBALANCE_IN_PROGRESS, or the subscription changed
//   rebalancing  → outside      revoked(): the consumer committed and gave its partitions up
//   stable, rebalancing → outside   generation or member id unknown, session silent too long, poll overdue: partitions are lost
//   any          → failed       an error no retry mends
//   any          → left         leave()
import { ErrorCode, KafkaError, kafkaErrorOf } from '../network/kafka-errors.ts'
import { assert } from '#host'

export interface MembershipTimes {
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** A consumer that asks for nothing for this long is taken to be stuck and leaves the group. */
  readonly maxPollIntervalMs: number
}

export type MembershipState =
  | { readonly kind: 'outside' }
  | { readonly kind: 'joining' }
  | { readonly kind: 'syncing'; readonly generation: number }
  | { readonly kind: 'stable'; readonly generation: number }
  | { readonly kind: 'rebalancing'; readonly generation: number }
  | { readonly kind: 'failed'; readonly error: KafkaError }
  | { readonly kind: 'left' }

/** What the doer has to do next to be a stable member. */
export type MembershipStep = 'find-coordinator' | 'join' | 'sync' | 'revoke' | 'drop-lost' | 'none'

export class Membership {
  readonly #times: MembershipTimes
  #state: MembershipState = { kind: 'outside' }
  #memberId = ''
  #coordinatorKnown = false
  #lost = false
  #heartbeatSentMs = 0
  #heartbeatAnsweredMs = 0
  #polledMs = 0

  constructor(times: MembershipTimes) {
    this.#times = times
  }

  get state(): MembershipState {
    return this.#state
  }

  get memberId(): string {
    return this.#memberId
  }

  /** -1 outside a generation, as Kafka writes it. */
  get generation(): number {
    return 'generation' in this.#state ? this.#state.generation : -1
  }

  get isMember(): boolean {
    return 'generation' in this.#state
  }

  /** True when the consumer must come back here before it hands out another record. */
  get needsAttention(): boolean {
    return this.#lost || this.#state.kind !== 'stable'
  }

  nextStep(): MembershipStep {
    if (this.#lost) return 'drop-lost'
    switch (this.#state.kind) {
      case 'rebalancing':
        return 'revoke'
      case 'outside':
        return this.#coordinatorKnown ? 'join' : 'find-coordinator'
      case 'syncing':
        return this.#coordinatorKnown ? 'sync' : 'find-coordinator'
      case 'joining':
      case 'stable':
        return this.#coordinatorKnown ? 'none' : 'find-coordinator'
      case 'failed':
      case 'left':
        return 'none'
      default:
        return this.#state satisfies never
    }
  }

  coordinatorFound(): void {
    this.#coordinatorKnown = true
  }

  /** The connection broke or the broker says it is not the coordinator. The generation may still be good. */
  coordinatorLost(): void {
    this.#coordinatorKnown = false
    if (this.#state.kind === 'joining') this.#state = { kind: 'outside' }
  }

  get coordinatorKnown(): boolean {
    return this.#coordinatorKnown
  }

  joinSent(): void {
    assert(this.#state.kind === 'outside', 'a join is sent from outside a generation')
    this.#state = { kind: 'joining' }
  }

  joined(answer: { readonly errorCode: number; readonly memberId: string; readonly generation: number }): void {
    if (this.#state.kind !== 'joining') return
    switch (answer.errorCode) {
      case ErrorCode.NONE:
        this.#memberId = answer.memberId
        this.#state = { kind: 'syncing', generation: answer.generation }
        return
      case ErrorCode.MEMBER_ID_REQUIRED:
        // KIP-394: the first join only fetches an id; the second one, with it, counts.
        this.#memberId = answer.memberId
        this.#state = { kind: 'outside' }
        return
      default:
        this.#refused(answer.errorCode)
    }
  }

  synced(errorCode: number, nowMs: number): void {
    if (this.#state.kind !== 'syncing') return
    if (errorCode !== ErrorCode.NONE) return this.#refused(errorCode)
    this.#state = { kind: 'stable', generation: this.#state.generation }
    this.#heartbeatSentMs = nowMs
    this.#heartbeatAnsweredMs = nowMs
    this.#polledMs = nowMs
  }

  /** The answer to a heartbeat or an offset commit, either of which may carry the news of a rebalance. */
  heartbeatAnswered(errorCode: number, nowMs: number): void {
    if (!this.isMember) return
    if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.REBALANCE_IN_PROGRESS) this.#heartbeatAnsweredMs = nowMs
    if (errorCode !== ErrorCode.NONE) this.#refused(errorCode)
  }

  heartbeatSent(nowMs: number): void {
    this.#heartbeatSentMs = nowMs
  }

  /** The consumer was asked for records: it is alive. */
  polled(nowMs: number): void {
    this.#polledMs = nowMs
  }

  /** What falls due at `nowMs`: a heartbeat, or giving up a membership the broker must have ended, or one the user is too slow for. */
  due(nowMs: number): 'heartbeat' | 'leave' | 'none' {
    const state = this.#state.kind
    if (state !== 'stable' && state !== 'rebalancing') return 'none'
    if (nowMs - this.#polledMs > this.#times.maxPollIntervalMs) {
      this.#lose()
      return 'leave'
    }
    if (nowMs - this.#heartbeatAnsweredMs > this.#times.sessionTimeoutMs) {
      this.#lose()
      this.coordinatorLost()
      return 'none'
    }
    return nowMs - this.#heartbeatSentMs >= this.#times.heartbeatIntervalMs ? 'heartbeat' : 'none'
  }

  rebalanceWanted(): void {
    if (this.#state.kind === 'stable') this.#state = { kind: 'rebalancing', generation: this.#state.generation }
  }

  /** The consumer committed and let go of its partitions. */
  revoked(): void {
    if (this.#state.kind === 'rebalancing') this.#state = { kind: 'outside' }
  }

  /** The consumer dropped partitions that are no longer its own, without committing. */
  lostDropped(): void {
    this.#lost = false
  }

  fail(error: KafkaError): void {
    this.#state = { kind: 'failed', error }
  }

  /** Forgets the member id: the broker was told with LeaveGroup. */
  leave(): void {
    this.#state = { kind: 'left' }
    this.#memberId = ''
  }

  #refused(errorCode: number): void {
    switch (errorCode) {
      case ErrorCode.REBALANCE_IN_PROGRESS:
        if (this.#state.kind === 'stable') this.rebalanceWanted()
        else if (this.#state.kind === 'syncing') this.#state = { kind: 'outside' }
        return
      case ErrorCode.UNKNOWN_MEMBER_ID:
        this.#lose()
        this.#memberId = ''
        return
      case ErrorCode.ILLEGAL_GENERATION:
        return this.#lose()
      case ErrorCode.NOT_COORDINATOR:
      case ErrorCode.COORDINATOR_NOT_AVAILABLE:
        this.coordinatorLost()
        if (this.#state.kind === 'syncing') this.#state = { kind: 'outside' }
        return
      case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        if (this.#state.kind === 'joining' || this.#state.kind === 'syncing') this.#state = { kind: 'outside' }
        return
      default:
        this.#state = { kind: 'failed', error: kafkaErrorOf(errorCode) }
    }
  }

  #lose(): void {
    const held = this.#state.kind === 'stable' || this.#state.kind === 'rebalancing'
    this.#lost ||= held
    this.#state = { kind: 'outside' }
  }
}
