// Owns the search for the addon and the shape of its surface. Never used outside this folder.
// Invariant: the addon is loaded once a thread, and its state is the process's: what one thread opened another finds.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { NativeError } from './native-error.ts'
import type { PartitionTableDelta, PublishResult, TopicNativeConfig } from './partition-table.ts'

/** Settings of one data plane, named after Kafka's. Without one the core's default holds; -1 means none or no limit, as in Kafka. */
export interface BrokerOptions {
  readonly nodeId: number
  readonly clusterId: string
  readonly logDirs: readonly string[]
  readonly networkThreads: number
  readonly socketRequestMaxBytes: number
  readonly maxConnections: number
  readonly maxConnectionsPerIp?: number
  readonly queuedMaxRequestBytes?: number
  readonly connectionsMaxIdleMs?: number
  readonly partialFrameMaxMs?: number
  readonly socketSendBufferBytes?: number
  readonly socketReceiveBufferBytes?: number
  readonly maxInFlightRequestsPerConnection?: number
  readonly upcallQueueMaxBytes?: number
  readonly fetchMaxBytes?: number
  readonly maxIncrementalFetchSessionCacheSlots?: number
  readonly minIncrementalFetchSessionEvictionMs?: number
  readonly producerIdExpirationMs?: number
  readonly producerIdsPerPartitionMax?: number
  readonly syncThreads?: number
  readonly logFlushOffsetCheckpointIntervalMs?: number
  readonly logRetentionCheckIntervalMs?: number
  readonly logInitialTaskDelayMs?: number
  readonly numRecoveryThreadsPerDataDir?: number
  readonly logCleanerThreads?: number
  readonly logCleanerDedupeBufferSize?: number
  readonly logCleanerIoBufferLoadFactor?: number
  readonly logCleanerIoBufferSize?: number
  readonly logCleanerIoMaxBytesPerSecond?: number
  readonly spinUs?: number
}

/** A job on one partition, as the core's `partitionIo` takes it. */
export type PartitionIoJob =
  | { readonly kind: 'recover'; readonly topicId: Uint8Array; readonly partition: number }
  | { readonly kind: 'compact' }

export interface BoundListener {
  readonly name: string
  readonly host: string
  readonly port: number
}

export interface OpenedLogDirs {
  /** Of those that could be opened. */
  readonly directoryIds: readonly string[]
  readonly cleanShutdown: boolean
  readonly clusterId: string
  /** Those that could not; at least one other could. */
  readonly failed: readonly { readonly index: number; readonly code: string; readonly message: string }[]
}

export interface ApiVersionRange {
  readonly apiKey: number
  readonly min: number
  readonly max: number
}

export interface PartitionOffsets {
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly logEndOffset: number
  readonly lastStableOffset: number
}

/** A partition that is served no more because the disk under it failed. */
export interface OfflinePartition {
  readonly topicId: Buffer
  readonly partition: number
}

/** The class `NativeBroker` as the binding exports it. */
export interface RawBroker {
  readonly handle: number
  open(): OpenedLogDirs
  bind(listeners: readonly BoundListener[]): BoundListener[]
  listen(): void
  setApiVersions(ranges: readonly ApiVersionRange[]): void
  publish(delta: PartitionTableDelta): PublishResult
  publishHeld(): PublishResult
  mayCompact(): boolean
  stopJobs(): void
  setStraysAside(): string[]
  takeEvents(maxBytes: number): Buffer | null
  respond(tokenHigh: number, tokenLow: number, payload: Buffer, throttleMs: number): void
  respondNone(tokenHigh: number, tokenLow: number): void
  closeConnection(tokenHigh: number, tokenLow: number): void
  append(topicId: Buffer, partition: number, batch: Buffer, sync: boolean): number
  readLog(topicId: Buffer, partition: number, offset: number, maxBytes: number): Buffer
  partitionOffsets(topicId: Buffer, partition: number): PartitionOffsets
  offlinePartitions(): OfflinePartition[]
  deleteRecords(topicId: Buffer, partition: number, offset: number): { lowWatermark: number; errorCode: number }
  offsetForLeaderEpoch(topicId: Buffer, partition: number, epoch: number): { epoch: number; endOffset: number }
  metrics(): Record<string, number>
  setBrokerEpoch(brokerEpoch: number): void
  drain(timeoutMs: number): void
  close(): void
}

/** The class `NativeLog` as the binding exports it. */
export interface RawLog {
  readonly startOffset: number
  readonly endOffset: number
  append(batch: Buffer, leaderEpoch: number, sync: boolean): number
  appendSync(batch: Buffer, leaderEpoch: number): number
  takeCompletions(): Buffer | null
  read(offset: number, maxBytes: number): Buffer
  deleteBefore(offset: number): void
  startAt(offset: number): void
  truncate(offset: number): void
  close(): void
}

/** Settings of an embedded log; "no limit" is MAX_SAFE_INTEGER. */
export interface EmbeddedOptions {
  readonly segmentBytes: number
  readonly segmentMs: number
  readonly indexIntervalBytes: number
  readonly fileDeleteDelayMs: number
  readonly retentionBytes?: number
  readonly retentionMs?: number
  readonly slots: number
  readonly slotBytes: number
  readonly verifyChecksums: boolean
}

/** Whole, checked batches in memory. `table` holds pairs of f64: base offset and position of a batch, ascending, the first one always. */
export interface RawStretch {
  readonly bytes: ArrayBuffer
  readonly table: ArrayBuffer
  readonly baseOffset: number
  readonly endOffset: number
  readonly isMapped: boolean
}

/** The class `NativeEmbeddedLog` as the binding exports it. */
export interface RawEmbeddedLog {
  readonly isObserver: boolean
  observe(): void
  page(): ArrayBuffer | null
  copyPage(page: Uint8Array): void
  wantWake(): void
  arena(): ArrayBuffer | null
  handOver(
    slot: number,
    bytes: number,
    recordCount: number,
    baseTimestamp: number,
    maxTimestamp: number,
    baseOffset: number,
    wantsSync: boolean,
    failures: number,
  ): number
  handOverOwned(
    batch: Uint8Array,
    recordCount: number,
    baseTimestamp: number,
    maxTimestamp: number,
    baseOffset: number,
    wantsSync: boolean,
    failures: number,
  ): void
  handOverPacked(
    packed: Uint8Array,
    timestamp: number,
    slot: number,
    baseOffset: number,
    wantsSync: boolean,
    failures: number,
  ): [count: number, nextSlot: number]
  flush(): void
  requestSync(): void
  stretch(offset: number, spanBytes: number, mayLend: boolean): RawStretch | null
  read(offset: number, maxBytes: number, mayLend: boolean): RawStretch | null
  offsetForTimestamp(timestamp: number): number | null
  truncate(offset: number): number
  deleteBefore(offset: number): number
  beginSnapshot(dir: string): void
  takeSnapshot(dir: string): number | null
  lastFailure(): { code: string; message: string } | null
  close(): void
}

export interface PartitionToVerify {
  readonly dir: string
  /** The topic is or was compacted: offsets may have gaps. */
  readonly compacted: boolean
  readonly logStartOffset: number
}

export interface PartitionToRepair extends PartitionToVerify {
  /** Cut the log before its first damage; what is cut off stays in `.bak` files. */
  readonly truncate: boolean
  /** The lock file of the log directory around it. */
  readonly lock?: string
  readonly indexIntervalBytes: number
}

/** Where a partition's log begins and ends. */
export interface PartitionEnds {
  readonly topic: string
  readonly partition: number
  readonly startOffset: number
  readonly endOffset: number
}

/** Something to tell of a file: `damage` = records are lost or wrong, `broken` = what is built from the log is, `note` = no fault. */
export interface Finding {
  readonly severity: 'note' | 'broken' | 'damage'
  readonly file: string
  readonly position?: number
  readonly what: string
}

export interface Verified {
  readonly findings: readonly Finding[]
  readonly segments: number
  readonly batches: number
  readonly records: number
  readonly bytes: number
  readonly startOffset: number
  readonly endOffset: number
}

export interface RawRepaired {
  readonly before: Verified
  /** Undefined when nothing was changed: all was sound, or something would have to be cut off. */
  readonly after?: Verified
  readonly backups: readonly string[]
  readonly cutBytes: number
}

export interface Addon {
  crc32c(bytes: Buffer): number
  compress(codec: number, level: number, bytes: Buffer): Buffer
  decompress(codec: number, bytes: Buffer, maxBytes: number): Buffer
  nothing(): void
  addNumbers(a: number, b: number): number
  sumBytes(bytes: Buffer): number
  echoBatch(bytes: Buffer): Buffer
  /** The one function for workers of the pool: they load the addon by themselves, by `addonFile`. */
  partitionIo(handle: number, job: PartitionIoJob): Record<string, number>
  refusedExternalBuffers(): number
  adoptLog(dir: string): { logStartOffset: number; logEndOffset: number } | null
  finishAdoption(dir: string): void
  verifyPartition(partition: PartitionToVerify): Verified
  verifyDirectoryFiles(dir: string, partitions: readonly PartitionEnds[]): Verified
  repairPartition(partition: PartitionToRepair): RawRepaired
  readonly NativeEmbeddedLog: new (dir: string, options: EmbeddedOptions | null, onWake: () => void) => RawEmbeddedLog
  readonly NativeBroker: new (options: BrokerOptions, onWake: () => void) => RawBroker
  readonly NativeLog: new (
    dir: string,
    config: TopicNativeConfig & { readonly topicId?: Buffer },
    onWake: () => void,
  ) => RawLog
}

/** The C libraries an addon for this platform can have been built against; part of its file name. */
function triples(): readonly string[] {
  const base = `${process.platform}-${process.arch}`
  switch (process.platform) {
    case 'linux':
      return [`${base}-gnu`, `${base}-musl`]
    case 'win32':
      return [`${base}-msvc`]
    default:
      return [base]
  }
}

let loaded: { readonly addon: Addon; readonly file: string } | undefined

/** The addon, loaded on first use: the one built in this tree, else the prebuilt package of this platform. */
export function addon(): Addon {
  loaded ??= load()
  return loaded.addon
}

/** The file the addon was loaded from. */
export function addonFile(): string {
  loaded ??= load()
  return loaded.file
}

/** The addon for what takes part in the life of the process: a broker and its logs belong to the main thread, which outlives every worker. */
export function mainThreadAddon(): Addon {
  if (!isMainThread) {
    throw new NativeError('WORKER_THREAD', 'a broker runs on the main thread, not in a worker thread')
  }
  return addon()
}

function load(): { readonly addon: Addon; readonly file: string } {
  const requireAddon = createRequire(import.meta.url)
  const refusals: unknown[] = []
  for (const built of builtAddons()) {
    try {
      return { addon: requireAddon(built) as Addon, file: built }
    } catch (cause) {
      refusals.push(cause)
    }
  }
  for (const triple of triples()) {
    try {
      const name = `@millrace/${triple}`
      return { addon: requireAddon(name) as Addon, file: requireAddon.resolve(name) }
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== 'MODULE_NOT_FOUND') refusals.push(cause)
    }
  }
  throw missingAddon(refusals)
}

/** The addon beside this package: one folder up from `dist`, two from `dist/<door>` or `src/native`. */
function builtAddons(): readonly string[] {
  return ['../native', '../../native']
    .flatMap(folder => triples().map(triple => new URL(`${folder}/millrace.${triple}.node`, import.meta.url)))
    .map(url => fileURLToPath(url))
    .filter(path => existsSync(path))
}

function missingAddon(refusals: readonly unknown[]): NativeError {
  const [first] = refusals
  if (first instanceof Error) {
    return new NativeError('ADDON_UNLOADABLE', `the native core does not load here: ${first.message}`, { cause: first })
  }
  const names = triples().join(' or ')
  return new NativeError(
    'ADDON_MISSING',
    `the native core for ${names} is not here: in a source checkout run \`npm run build:native\`; ` +
      `in an installation, reinstall millrace with optional dependencies allowed`,
  )
}
