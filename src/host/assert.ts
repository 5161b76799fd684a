// Owns the check of our own invariants. A failure here is a bug of this code, never of the world.
// In place of node:assert, whose loading looks at the terminal and costs 2.5 ms of every start.
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}
