// Owns the step between a topic id as the control plane writes it (22 characters) and as the core takes it (16 bytes).
import assert from 'node:assert'

const UUID_BYTES = 16

export function topicIdBytes(topicId: string): Buffer {
  const bytes = Buffer.from(topicId, 'base64url')
  assert(bytes.length === UUID_BYTES, 'a topic id has 16 bytes')
  return bytes
}

/** An int64 offset as the number a native call takes. */
export function offsetNumber(offset: bigint): number {
  assert(offset <= BigInt(Number.MAX_SAFE_INTEGER) && offset >= BigInt(Number.MIN_SAFE_INTEGER), 'offset fits a number')
  return Number(offset)
}
