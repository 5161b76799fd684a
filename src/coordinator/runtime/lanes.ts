// Owns who may run while records are on their way to the log: shared events of a lane overlap, an exclusive one stands alone.
// Never runs anything itself. Invariant: within a lane, events start in the order they came (nobody is overtaken or starved).
import { assert } from '#host'
import type { Admission, LaneMode } from './shard.ts'

interface Lane<Task> {
  shared: number
  exclusive: boolean
  readonly waiting: Task[]
}

export class Lanes<Task extends { readonly admission: Admission }> {
  readonly #lanes = new Map<string, Lane<Task>>()
  #waiting = 0

  /** How many tasks wait in all lanes together. */
  get waiting(): number {
    return this.#waiting
  }

  /** True when the task may start now; otherwise it is kept and comes out of release() in its turn. */
  enter(task: Task): boolean {
    const lane = this.#lanes.get(task.admission.lane)
    if (lane === undefined || (lane.waiting.length === 0 && fits(lane, task.admission.mode))) return true
    lane.waiting.push(task)
    this.#waiting++
    return false
  }

  /** Records of this admission go to the log: hold the lane until release(). */
  hold(admission: Admission): void {
    let lane = this.#lanes.get(admission.lane)
    if (lane === undefined) this.#lanes.set(admission.lane, (lane = { shared: 0, exclusive: false, waiting: [] }))
    assert(!lane.exclusive, `lane ${admission.lane} is held exclusively`)
    if (admission.mode === 'shared') lane.shared++
    else {
      assert(lane.shared === 0, `lane ${admission.lane} is held by others`)
      lane.exclusive = true
    }
  }

  release(admission: Admission): void {
    const lane = this.#lanes.get(admission.lane)
    assert(lane !== undefined, `lane ${admission.lane} is not held`)
    if (admission.mode === 'shared') lane.shared--
    else lane.exclusive = false
    assert(lane.shared >= 0, `lane ${admission.lane} was released twice`)
    this.#forgetIfIdle(admission.lane, lane)
  }

  /** The next task of the lane that may start now. The caller runs it before asking again. */
  next(name: string): Task | undefined {
    const lane = this.#lanes.get(name)
    const task = lane?.waiting[0]
    if (lane === undefined || task === undefined || !fits(lane, task.admission.mode)) return undefined
    lane.waiting.shift()
    this.#waiting--
    this.#forgetIfIdle(name, lane)
    return task
  }

  #forgetIfIdle(name: string, lane: Lane<Task>): void {
    if (!lane.exclusive && lane.shared === 0 && lane.waiting.length === 0) this.#lanes.delete(name)
  }
}

function fits(lane: { readonly shared: number; readonly exclusive: boolean }, mode: LaneMode): boolean {
  return !lane.exclusive && (mode === 'shared' || lane.shared === 0)
}
