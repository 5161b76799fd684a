// Owns randomness. Invariant: a uuid is version 4 and never starts with '-', as Kafka's, so that it can be a command-line value.
import { randomBytes, randomFillSync, randomInt } from 'node:crypto'
import { uuidFromBytes } from './uuid.ts'

export interface Entropy {
  /** A random version-4 uuid in Kafka's 22-character base64url form. */
  uuid(): string
  bytes(count: number): Buffer
  /** A whole number in [0, maxExclusive). */
  int(maxExclusive: number): number
}

/** Sets the version and variant bits; null where the text form would start with '-'. */
export function uuidFromRandom(bytes: Buffer): string | null {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const uuid = uuidFromBytes(bytes)
  return uuid.startsWith('-') ? null : uuid
}

/** Draws until a uuid is fit: one in 64 is not, so the loop is short with any honest source. */
export function drawUuid(nextBytes: (count: number) => Buffer): string {
  for (;;) {
    const uuid = uuidFromRandom(nextBytes(16))
    if (uuid !== null) return uuid
  }
}

export const realEntropy: Entropy = {
  uuid: () => drawUuid(count => randomFillSync(Buffer.allocUnsafe(count))),
  bytes: count => randomBytes(count),
  int: maxExclusive => randomInt(maxExclusive),
}
