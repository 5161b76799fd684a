// Owns the name and version by which brokers know this client (KIP-511).
import { createRequire } from 'node:module'

export const SOFTWARE_NAME = 'millrace'

/** Brokers refuse an empty version; this one is sent where package.json is out of reach, inside somebody's bundle. */
const UNKNOWN_VERSION = '0.0.0'

let version: string | undefined

export function softwareVersion(): string {
  version ??= readVersion()
  return version
}

function readVersion(): string {
  try {
    return (createRequire(import.meta.url)('millrace/package.json') as { version: string }).version
  } catch {
    return UNKNOWN_VERSION
  }
}
