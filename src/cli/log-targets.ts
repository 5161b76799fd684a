// Owns finding what `millrace log` is to look at: partitions in log directories, and what is known of them before they are read.
// Never writes. Invariant: a path is a log directory, a partition's directory, or a file in one; anything else is a mistake told by name.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { nativeBatchCodec } from '#native'
import { decodeBatches, metadataRecords } from '#protocol'
import { CommandFailure, ExitCode } from './exit-codes.ts'

const PARTITION = /^(.+)-(0|[1-9]\d*)$/
const METADATA_DIRECTORY = '__cluster_metadata-0'
/** Compacted without a record of it saying so. */
const COMPACTED_TOPICS: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
])
const TOPIC_RESOURCE = 2

export interface PartitionTarget {
  readonly directory: string
  readonly topic: string
  readonly partition: number
  readonly compacted: boolean
  readonly logStartOffset: number
  /** The log directory around it, where there is one. */
  readonly logDirectory: string | null
}

export interface LogTarget {
  readonly path: string
  readonly kind: 'log directory' | 'partition' | 'file'
  readonly partitions: readonly PartitionTarget[]
}

export function logTarget(given: string, compacted = false): LogTarget {
  const path = resolve(given)
  let isFile: boolean
  try {
    isFile = statSync(path).isFile()
  } catch (error) {
    throw new CommandFailure(ExitCode.DATA_DIRECTORY, `${given} cannot be read: ${(error as Error).message}`)
  }
  if (isFile) {
    return { path, kind: 'file', partitions: [partitionTarget(dirname(path), around(dirname(path)), compacted)] }
  }
  const names = readdirSync(path, { withFileTypes: true })
  if (names.some(entry => entry.isFile() && /^\d{20}\.log$/.test(entry.name))) {
    return { path, kind: 'partition', partitions: [partitionTarget(path, around(path), compacted)] }
  }
  const context = logDirectory(path)
  const partitions = names
    .filter(entry => entry.isDirectory() && PARTITION.test(entry.name))
    .map(entry => partitionTarget(join(path, entry.name), context, compacted))
    .sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
  if (partitions.length === 0 && !names.some(entry => entry.name === 'meta.properties')) {
    if (PARTITION.test(basename(path))) {
      return { path, kind: 'partition', partitions: [partitionTarget(path, around(path), compacted)] }
    }
    throw new CommandFailure(
      ExitCode.USAGE,
      `${given} is no log directory, no partition's directory and no file of one`,
    )
  }
  return { path, kind: 'log directory', partitions }
}

/** A path as it is told: from here, unless that climbs. */
export function shown(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere.startsWith('..') ? path : fromHere === '' ? '.' : fromHere
}

interface LogDirectory {
  readonly path: string
  readonly compactedTopics: ReadonlySet<string>
  readonly logStartOffsets: ReadonlyMap<string, number>
}

function around(partition: string): LogDirectory | null {
  const parent = dirname(partition)
  return readText(join(parent, 'meta.properties')) === null ? null : logDirectory(parent)
}

function logDirectory(path: string): LogDirectory {
  return { path, compactedTopics: compactedTopics(path), logStartOffsets: logStartOffsets(path) }
}

function partitionTarget(directory: string, context: LogDirectory | null, compacted: boolean): PartitionTarget {
  const name = basename(directory)
  const [, topic = name, partition = '0'] = PARTITION.exec(name) ?? []
  return {
    directory,
    topic,
    partition: Number(partition),
    compacted: compacted || COMPACTED_TOPICS.has(topic) || (context?.compactedTopics.has(topic) ?? false),
    logStartOffset: name === METADATA_DIRECTORY ? oldestSnapshot(directory) : (context?.logStartOffsets.get(name) ?? 0),
    logDirectory: context?.path ?? null,
  }
}

/** The metadata log is cut before a snapshot, and no checkpoint says where: what the oldest one holds may be gone. */
function oldestSnapshot(directory: string): number {
  const names = readdirSync(directory).filter(name => /^\d{20}-\d{10}\.checkpoint$/.test(name))
  return names.length === 0 ? 0 : Math.min(...names.map(name => Number(name.slice(0, name.indexOf('-')))))
}

function logStartOffsets(directory: string): ReadonlyMap<string, number> {
  const rows = readText(join(directory, 'log-start-offset-checkpoint'))?.split('\n').slice(2) ?? []
  const offsets = rows.map(row => row.split(' ')).filter(words => words.length === 3)
  return new Map(offsets.map(([topic, partition, offset]) => [`${topic}-${partition}`, Number(offset)]))
}

/** Topics that any metadata record here gave a compacting policy: once compacted, a log keeps its gaps. */
function compactedTopics(directory: string): ReadonlySet<string> {
  const topics = new Set<string>()
  const log = join(directory, METADATA_DIRECTORY)
  let names: string[]
  try {
    names = readdirSync(log).filter(name => /\.(log|checkpoint)$/.test(name))
  } catch {
    return topics
  }
  for (const name of names) {
    try {
      for (const batch of decodeBatches(readFileSync(join(log, name)), nativeBatchCodec)) {
        if (batch.isControl) continue
        for (const { value } of batch.records()) {
          const record = value === null ? null : metadataRecords.decode(value)
          if (record?.type !== 'ConfigRecord' || record.resourceType !== TOPIC_RESOURCE) continue
          if (record.name === 'cleanup.policy' && record.value?.includes('compact')) topics.add(record.resourceName)
        }
      }
    } catch {
      // What is wrong with the metadata log is told when it is verified itself.
    }
  }
  return topics
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
