// Owns when each broker was last heard of. Never fences anybody: it says who is overdue. Time is told to it.
// Invariant: a broker that was last heard of before this process began is not alive, only not overdue yet.
export class BrokerSessions {
  readonly #timeoutMs: number
  readonly #sessions = new Map<number, { deadlineMs: number; alive: boolean }>()

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** An unfenced broker of an earlier life of this controller: it gets one session's time to speak up. */
  expect(nodeId: number, nowMs: number): void {
    this.#sessions.set(nodeId, { deadlineMs: nowMs + this.#timeoutMs, alive: false })
  }

  heard(nodeId: number, nowMs: number): void {
    this.#sessions.set(nodeId, { deadlineMs: nowMs + this.#timeoutMs, alive: true })
  }

  /** It said good-bye, or was given up: nothing is expected of it. */
  end(nodeId: number): void {
    this.#sessions.delete(nodeId)
  }

  isAlive(nodeId: number, nowMs: number): boolean {
    const session = this.#sessions.get(nodeId)
    return session !== undefined && session.alive && session.deadlineMs > nowMs
  }

  overdue(nowMs: number): readonly number[] {
    return [...this.#sessions].filter(([, { deadlineMs }]) => deadlineMs <= nowMs).map(([nodeId]) => nodeId)
  }

  /** When the next session ends, if nobody is heard of; null when there are none. */
  nextDeadlineMs(): number | null {
    let next: number | null = null
    for (const { deadlineMs } of this.#sessions.values()) if (next === null || deadlineMs < next) next = deadlineMs
    return next
  }
}
