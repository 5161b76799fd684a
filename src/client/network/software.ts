// Owns the name and version by which brokers know this client (KIP-511). Read once from package.json, which lies two folders up
// both in src and in dist.
import { createRequire } from 'node:module'

export const SOFTWARE_NAME = 'millrace'

let version: string | undefined

export function softwareVersion(): string {
  version ??= (createRequire(import.meta.url)('../../../package.json') as { version: string }).version
  return version
}
