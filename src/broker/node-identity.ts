// Owns who this node is before its log directories are open: node id and cluster id, from settings and `meta.properties`.
// Never writes: the core writes `meta.properties` when it has the directory lock, and refuses what does not match.
import { join } from 'node:path'
import type { BrokerConfig } from '#config'
import type { Host } from '#host'
import { ConfigFault } from './config-fault.ts'

export interface NodeIdentity {
  readonly nodeId: number
  /** Taken from the first directory that has one; a new one is drawn for a node without any. */
  readonly clusterId: string
}

export function nodeIdentity(config: BrokerConfig, logDirs: readonly string[], host: Host): NodeIdentity {
  const found = logDirs.map(dir => metaProperties(dir, host)).filter(properties => properties !== null)
  const stored = found.find(properties => properties.has('node.id'))?.get('node.id')
  // A directory knows whose it is; the default is for a node that was given no id and has no data yet.
  const nodeId = stored === undefined || config.isSet('node.id') ? config.nodeId : Number(stored)
  if (!Number.isInteger(nodeId) || nodeId < 0) throw new ConfigFault('node.id', `${stored} in meta.properties is no id`)
  const clusterId = found.find(properties => properties.has('cluster.id'))?.get('cluster.id')
  return { nodeId, clusterId: clusterId ?? host.entropy.uuid() }
}

function metaProperties(dir: string, host: Host): ReadonlyMap<string, string> | null {
  let bytes: Buffer | null
  try {
    bytes = host.files.read(join(dir, 'meta.properties'))
  } catch {
    return null // The core opens the directory next and says what is wrong with it.
  }
  if (bytes === null) return null
  const rows = bytes
    .toString('utf8')
    .split(/\r?\n/)
    .filter(row => row.includes('=') && !row.startsWith('#'))
  return new Map(rows.map(row => [row.slice(0, row.indexOf('=')).trim(), row.slice(row.indexOf('=') + 1).trim()]))
}
