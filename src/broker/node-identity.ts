// Owns who this node is before its log directories are open: node id and cluster id, from settings and `meta.properties`.
// Never writes: the core writes `meta.properties` when it has the directory lock. Invariant: a directory of another node, of another
// cluster, of an unknown version, or of a broker under ZooKeeper is refused here, before anything in any directory was changed.
import { join } from 'node:path'
import { type BrokerConfig, parseProperties } from '#config'
import { METADATA_TOPIC, RefusedDirectory } from '#controller'
import type { Host } from '#host'
import { ConfigFault } from './config-fault.ts'

export interface NodeIdentity {
  readonly nodeId: number
  /** Taken from the first directory that has one; a new one is drawn for a node without any. */
  readonly clusterId: string
}

const META_PROPERTIES = 'meta.properties'
/** 0 was written by brokers under ZooKeeper, and called the node id `broker.id`. */
const KNOWN_VERSIONS: ReadonlySet<string> = new Set(['0', '1'])
const PARTITION_DIRECTORY = /^.+-\d+$/

interface Found {
  readonly directory: string
  readonly properties: ReadonlyMap<string, string>
  readonly nodeId: string | undefined
}

export function nodeIdentity(config: BrokerConfig, logDirs: readonly string[], host: Host): NodeIdentity {
  const found = logDirs.map(directory => metaProperties(directory, host)).filter(each => each !== null)
  for (const each of found) refuseUnreadable(each, config, host)
  const stored = found.find(({ nodeId: id }) => id !== undefined)?.nodeId
  // A directory knows whose it is; the default is for a node that was given no id and has no data yet.
  const nodeId = stored === undefined || config.isSet('node.id') ? config.nodeId : Number(stored)
  if (!Number.isInteger(nodeId) || nodeId < 0) throw new ConfigFault('node.id', `${stored} in meta.properties is no id`)
  const clusterId = found.find(({ properties }) => properties.has('cluster.id'))?.properties.get('cluster.id')
  for (const { directory, properties, nodeId: id } of found) {
    if (id !== undefined && Number(id) !== nodeId) {
      throw new RefusedDirectory(directory, `it belongs to node ${id}, not ${nodeId}`)
    }
    const other = properties.get('cluster.id')
    if (other !== undefined && other !== clusterId) {
      throw new RefusedDirectory(directory, `it belongs to cluster ${other}, not ${clusterId}`)
    }
  }
  return { nodeId, clusterId: clusterId ?? host.entropy.uuid() }
}

function refuseUnreadable({ directory, properties }: Found, config: BrokerConfig, host: Host): void {
  const version = properties.get('version')
  if (version === undefined || !KNOWN_VERSIONS.has(version)) {
    const which = version === undefined ? 'has no version' : `is of version ${version}`
    throw new RefusedDirectory(directory, `its ${META_PROPERTIES} ${which}; known are 0 and 1`)
  }
  if (version !== '0' || host.files.exists(join(config.metadataLogDir, `${METADATA_TOPIC}-0`))) return
  if (!host.files.list(directory).some(name => PARTITION_DIRECTORY.test(name))) return
  throw new RefusedDirectory(
    directory,
    'its topics are described in ZooKeeper, not here; migrate the cluster to KRaft with Apache Kafka 3.9 first',
  )
}

/** What tools write has no escapes but for padded ids; the whole parser is loaded for those alone. */
function propertiesOf(text: string): ReadonlyMap<string, string> {
  if (text.includes('\\')) return parseProperties(text)
  const rows = text.split(/\r?\n/).filter(row => row.includes('=') && !/^\s*[#!]/.test(row))
  return new Map(rows.map(row => [row.slice(0, row.indexOf('=')).trim(), row.slice(row.indexOf('=') + 1).trim()]))
}

function metaProperties(directory: string, host: Host): Found | null {
  let bytes: Buffer | null
  try {
    bytes = host.files.read(join(directory, META_PROPERTIES))
  } catch {
    return null // The core opens the directory next and says what is wrong with it.
  }
  if (bytes === null) return null
  const properties = propertiesOf(bytes.toString('utf8'))
  return { directory, properties, nodeId: properties.get('node.id') ?? properties.get('broker.id') }
}
