// Owns the building of one decision. Never carries anything out.
// Invariant: a decision appends at most once; whoever needs the outcome joins with whenSettled().
import { assert } from '#host'
import type { ErrorName } from '#protocol'
import type { Command, Decision, RequestId } from './shard.ts'

type SettledStep<Event, Response, Rec> = (failure: ErrorName | null, turn: Turn<Event, Response, Rec>) => void

/** One turn of a shard: the time it happens at, and what it decides so far. */
export class Turn<Event, Response, Rec> {
  readonly nowMs: number
  readonly #commands: Command<Event, Response>[] = []
  readonly #settled: SettledStep<Event, Response, Rec>[] = []
  #records: readonly Rec[] = []
  #replay = true

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  respond(to: RequestId, response: Response): void {
    this.#commands.push({ kind: 'respond', to, response })
  }

  setTimer(key: string, delayMs: number, event: Event): void {
    this.#commands.push({ kind: 'setTimer', key, delayMs, event })
  }

  cancelTimer(key: string): void {
    this.#commands.push({ kind: 'cancelTimer', key })
  }

  submit(event: Event): void {
    this.#commands.push({ kind: 'submit', event })
  }

  /** For the log of the process, not that of the partition. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.#commands.push({ kind: 'report', message, fields })
  }

  /** Appends records that are replayed into the shard once committed. */
  append(records: readonly Rec[], settled?: SettledStep<Event, Response, Rec>): void {
    this.#append(records, true, settled)
  }

  /** Appends records whose effect `settled` applies by itself. */
  appendWithoutReplay(records: readonly Rec[], settled: SettledStep<Event, Response, Rec>): void {
    this.#append(records, false, settled)
  }

  /** Runs `step` when the append of this turn is over, or at once where there is none. */
  whenSettled(step: SettledStep<Event, Response, Rec>): void {
    if (this.#records.length === 0) step(null, this)
    else this.#settled.push(step)
  }

  get appends(): boolean {
    return this.#records.length > 0
  }

  decision(): Decision<Event, Response, Rec> {
    const steps = this.#settled
    return {
      commands: this.#commands,
      records: this.#records,
      replay: this.#replay,
      settled: steps.length === 0 ? null : (failure, nowMs) => runSteps(steps, failure, nowMs),
    }
  }

  #append(records: readonly Rec[], replay: boolean, settled?: SettledStep<Event, Response, Rec>): void {
    assert(this.#records.length === 0, 'a turn appends at most once')
    assert(records.length > 0, 'an append has records')
    this.#records = records
    this.#replay = replay
    if (settled !== undefined) this.#settled.push(settled)
  }
}

function runSteps<Event, Response, Rec>(
  steps: readonly SettledStep<Event, Response, Rec>[],
  failure: ErrorName | null,
  nowMs: number,
): Decision<Event, Response, Rec> {
  const turn = new Turn<Event, Response, Rec>(nowMs)
  for (const step of steps) step(failure, turn)
  return turn.decision()
}
