// Owns the contract between a coordinator's deciding half (a shard: the state of one partition of a coordinator topic) and
// the runtime that carries its decisions out. Never does anything itself.
// Invariant: logged state changes only after its records are committed: by replay(), or by the settled() of the decision.
import type { ErrorName } from '#protocol'

/** Names one request from its arrival to its answer. A request no decision has answered yet is parked. */
export type RequestId = number

/**
 * How an event may overlap others of the same lane (a group, a transactional id) while records are on their way to the log:
 * `shared` events overlap each other, an `exclusive` one waits until nothing of its lane is under way.
 */
export type LaneMode = 'shared' | 'exclusive'

export interface Admission {
  readonly lane: string
  readonly mode: LaneMode
}

export type Command<Event, Response> =
  | { readonly kind: 'respond'; readonly to: RequestId; readonly response: Response }
  /** Sets, or moves, the timer of that key: `event` is handled once `delayMs` have passed. */
  | { readonly kind: 'setTimer'; readonly key: string; readonly delayMs: number; readonly event: Event }
  | { readonly kind: 'cancelTimer'; readonly key: string }
  /** Handles another event in its own lane, after this one. */
  | { readonly kind: 'submit'; readonly event: Event }
  /** Something an operator wants to read of. */
  | { readonly kind: 'report'; readonly message: string; readonly fields: Readonly<Record<string, unknown>> }

/** What a decider wants done. Commands are carried out at once; records go to the log, in one batch or not at all. */
export interface Decision<Event, Response, Rec> {
  readonly commands: readonly Command<Event, Response>[]
  readonly records: readonly Rec[]
  /** Whether committed records are replayed; false where settled() makes the same change to richer state. */
  readonly replay: boolean
  /** Called once when the append of `records` is over: null = committed (and replayed), else why nothing was written. */
  readonly settled: ((failure: ErrorName | null, nowMs: number) => Decision<Event, Response, Rec>) | null
}

/** Facts about the batch a replayed record came in. */
export interface ReplayContext {
  readonly offset: bigint
  /** Producer of a transactional batch, whose records wait for its marker; -1n otherwise. */
  readonly transactionalProducerId: bigint
}

/**
 * A pure state machine: same events, same times, same decisions. It holds no clock, randomness, timer or I/O;
 * ids it hands out arrive inside the events.
 */
export interface CoordinatorShard<Event, Response, Rec> {
  admit(event: Event): Admission
  /** `request` is null for timers and submitted events, which nobody waits for. */
  handle(event: Event, request: RequestId | null, nowMs: number): Decision<Event, Response, Rec>
  replay(record: Rec, context: ReplayContext): void
  /** A transaction marker ends what transactional batches of that producer staged. */
  replayMarker(producerId: bigint, committed: boolean): void
  /** The whole log has been replayed: start timers. */
  loaded(nowMs: number): Decision<Event, Response, Rec>
}

/** Everything the runtime needs to host one kind of coordinator. */
export interface CoordinatorKind<Event, Response, Rec> {
  readonly name: string
  readonly serde: RecordSerde<Rec>
  createShard(): CoordinatorShard<Event, Response, Rec>
  /** The answer when an event could not be carried out. */
  refuse(event: Event, error: ErrorName): Response
}

/** Turns records into the key and value bytes of the log, and back. Null for a record type this node does not know. */
export interface RecordSerde<Rec> {
  encode(record: Rec): EncodedRecord
  decode(key: Buffer, value: Buffer | null): Rec | null
}

export interface EncodedRecord {
  readonly key: Buffer
  readonly value: Buffer | null
}
