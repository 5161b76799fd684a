// Owns what a simulation knows to be true of its groups, and complains when the coordinator contradicts it.
import assert from 'node:assert'

interface Assignment {
  readonly memberId: string
  readonly assignment: Buffer
}

export class GroupHistory {
  readonly #leaders = new Map<string, string>()
  /** Attempts of a leader to assign, by generation: one of them is what everyone gets. */
  readonly #attempts = new Map<string, (readonly Assignment[])[]>()
  readonly #newest = new Map<string, bigint>()
  readonly #handedOut = new Map<string, bigint>()
  /**
   * How often the coordinator has started from its log. A generation is logged with its assignments, not when members join,
   * so a coordinator that starts anew may give its number to another one. (So it is in Apache Kafka.)
   */
  reign = 0
  generations = 0
  commits = 0

  generationSeen(groupId: string, generation: number, leader: string): void {
    const key = `${groupId} ${generation} ${this.reign}`
    const known = this.#leaders.get(key)
    if (known === undefined) this.generations++
    // A static leader may be replaced within the generation: its instance id stays in front of the member id.
    assert(
      known === undefined || instanceOf(known) === instanceOf(leader),
      `generation ${key} has two leaders: ${known}, ${leader}`,
    )
    this.#leaders.set(key, leader)
  }

  assigned(groupId: string, generation: number, assignments: readonly Assignment[]): void {
    const key = `${groupId} ${generation}`
    const attempts = this.#attempts.get(key) ?? []
    attempts.push(assignments)
    this.#attempts.set(key, attempts)
  }

  received(groupId: string, generation: number, memberId: string, assignment: Buffer): void {
    if (assignment.length === 0) return // the leader did not know it
    const attempts = this.#attempts.get(`${groupId} ${generation}`) ?? []
    const isTheLeaders = attempts.some(attempt =>
      attempt.some(each => instanceOf(each.memberId) === instanceOf(memberId) && each.assignment.equals(assignment)),
    )
    assert(isTheLeaders, `${memberId} got an assignment the leader of generation ${generation} never made`)
  }

  /** Offsets handed out grow, so that a committed offset that falls shows. */
  nextOffset(groupId: string, partition: number): bigint {
    const key = `${groupId} ${partition}`
    const next = (this.#handedOut.get(key) ?? 0n) + 1n
    this.#handedOut.set(key, next)
    return next
  }

  committed(groupId: string, partition: number, offset: bigint): void {
    const key = `${groupId} ${partition}`
    this.commits++
    if (offset > (this.#newest.get(key) ?? -1n)) this.#newest.set(key, offset)
  }

  /** The lowest offset that may be found: an acknowledged commit is never lost, one in doubt may be there. */
  acknowledged(groupId: string, partition: number): bigint {
    return this.#newest.get(`${groupId} ${partition}`) ?? -1n
  }
}

/** 'i3-<uuid>' is instance i3; dynamic members are their own. */
function instanceOf(memberId: string): string {
  return /^(i\d+)-/.exec(memberId)?.[1] ?? memberId
}
