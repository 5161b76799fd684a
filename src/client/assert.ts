// Owns the check of our own invariants in the client. A failure here is a bug of this code, never of the world.
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}
