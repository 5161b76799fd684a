// Owns the step from an int64 offset to the number a native call takes: explicit and checked.
import { assert } from '#host'

export function offsetNumber(offset: bigint): number {
  assert(offset <= BigInt(Number.MAX_SAFE_INTEGER) && offset >= BigInt(Number.MIN_SAFE_INTEGER), 'offset fits a number')
  return Number(offset)
}
