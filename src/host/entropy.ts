// Owns randomness, all of it fit for secrets.
// Invariant: a uuid is version 4 and never starts with '-', as Kafka's, so that it can be a command-line value.
import { closeSync, openSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
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

/** A broker starting needs 16 bytes; node:crypto costs it 1.5 to 4 ms to load, the kernel's device a system call. */
const DEVICE = '/dev/urandom'

function randomBytes(count: number): Buffer {
  const bytes = Buffer.allocUnsafe(count)
  return readDevice(bytes) ? bytes : nodeCrypto().randomFillSync(bytes)
}

/** False where there is no such device, or not all of it could be read. */
function readDevice(bytes: Buffer): boolean {
  let device: number
  try {
    device = openSync(DEVICE, 'r')
  } catch {
    return false
  }
  try {
    return readSync(device, bytes) === bytes.length
  } finally {
    closeSync(device)
  }
}

function nodeCrypto(): typeof import('node:crypto') {
  return createRequire(import.meta.url)('node:crypto') as typeof import('node:crypto')
}

export const realEntropy: Entropy = {
  uuid: () => drawUuid(randomBytes),
  bytes: randomBytes,
  int: maxExclusive => nodeCrypto().randomInt(maxExclusive),
}
