// Owns the two forms of a Kafka uuid: 16 bytes on the wire, 22 characters of unpadded base64url everywhere else.
import { assert } from './assert.ts'

export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

export function uuidFromBytes(bytes: Uint8Array): string {
  assert(bytes.length === 16, 'a uuid is 16 bytes')
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/** Throws when the text is not the 22-character form: callers hold ids that were validated where they came in. */
export function uuidToBytes(uuid: string): Buffer {
  const bytes = Buffer.from(uuid, 'base64url')
  assert(uuid.length === 22 && bytes.length === 16, `'${uuid}' is not a uuid in 22-character base64url form`)
  return bytes
}
