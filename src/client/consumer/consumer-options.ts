// Owns the consumer's own options, defaults and the rules between them.
import {
  CLIENT_OPTION_NAMES,
  type ClientOptions,
  checkOptionNames,
  inRange,
  invalidOption,
  positive,
  type ResolvedClientOptions,
  resolveClientOptions,
} from '../client-options.ts'
import type { IsolationLevel } from '../network/offset-lookup.ts'
import type { ResetPolicy } from './offset-spec.ts'

/** Names in brackets are Kafka's own for the same setting. */
export interface ConsumerOptions extends ClientOptions {
  /** The group to join with subscribe(), and to commit under [group.id]. */
  readonly groupId?: string
  /** A name that outlives restarts: no rebalance when the member comes back in time [group.instance.id]. */
  readonly groupInstanceId?: string
  /** Where to start without a committed offset, or when it is gone: 'latest' unless given [auto.offset.reset]. */
  readonly autoOffsetReset?: ResetPolicy
  /** Commit positions in the background; true with a groupId unless given [enable.auto.commit]. */
  readonly autoCommit?: boolean
  /** 5 s [auto.commit.interval.ms]. */
  readonly autoCommitIntervalMs?: number
  /** The coordinator drops a member it has not heard from for this long, 45 s [session.timeout.ms]. */
  readonly sessionTimeoutMs?: number
  /** 3 s [heartbeat.interval.ms]. */
  readonly heartbeatIntervalMs?: number
  /** Longest between two requests for records before the member leaves its group, 5 min [max.poll.interval.ms]. */
  readonly maxPollIntervalMs?: number
  /** Longest a broker waits for `fetchMinBytes`, 500 ms [fetch.max.wait.ms]. */
  readonly fetchMaxWaitMs?: number
  /** 1 [fetch.min.bytes]. */
  readonly fetchMinBytes?: number
  /** Most bytes of one fetch answer, 50 MiB [fetch.max.bytes]. */
  readonly fetchMaxBytes?: number
  /** Most bytes of one partition in one answer, 1 MiB [max.partition.fetch.bytes]. */
  readonly partitionFetchMaxBytes?: number
  /** Most bytes held ahead of the reader, 64 MiB; at the limit nothing more is asked for. */
  readonly prefetchBytes?: number
  /** 'read_uncommitted' unless given [isolation.level]. */
  readonly isolationLevel?: IsolationLevel
  /** Check the CRC of every batch; true unless given [check.crcs]. */
  readonly checkCrcs?: boolean
  /** A partition that could not be read for this long ends the iteration with its error, 5 min: a consumer never stops silently. */
  readonly stallTimeoutMs?: number
}

export interface ResolvedConsumerOptions {
  readonly client: ResolvedClientOptions
  readonly groupId: string | null
  readonly groupInstanceId: string | null
  readonly autoOffsetReset: ResetPolicy
  readonly autoCommit: boolean
  readonly autoCommitIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly maxPollIntervalMs: number
  readonly fetchMaxWaitMs: number
  readonly fetchMinBytes: number
  readonly fetchMaxBytes: number
  readonly partitionFetchMaxBytes: number
  readonly prefetchBytes: number
  readonly isolationLevel: IsolationLevel
  readonly checkCrcs: boolean
  readonly stallTimeoutMs: number
}

const MIB = 1024 * 1024
const CONSUMER_OPTION_NAMES: readonly (keyof ConsumerOptions)[] = [
  ...CLIENT_OPTION_NAMES,
  'groupId',
  'groupInstanceId',
  'autoOffsetReset',
  'autoCommit',
  'autoCommitIntervalMs',
  'sessionTimeoutMs',
  'heartbeatIntervalMs',
  'maxPollIntervalMs',
  'fetchMaxWaitMs',
  'fetchMinBytes',
  'fetchMaxBytes',
  'partitionFetchMaxBytes',
  'prefetchBytes',
  'isolationLevel',
  'checkCrcs',
  'stallTimeoutMs',
]

export function resolveConsumerOptions(options: ConsumerOptions): ResolvedConsumerOptions {
  checkOptionNames('a consumer', options, CONSUMER_OPTION_NAMES)
  const { groupId = null, autoOffsetReset = 'latest', isolationLevel = 'read_uncommitted' } = options
  if (groupId === '') throw invalidOption('groupId', 'must not be empty')
  if (options.groupInstanceId !== undefined && groupId === null)
    throw invalidOption('groupInstanceId', 'needs a groupId')
  if (options.autoCommit === true && groupId === null) throw invalidOption('autoCommit', 'needs a groupId')
  if (!['earliest', 'latest', 'none'].includes(autoOffsetReset))
    throw invalidOption('autoOffsetReset', `must be earliest, latest or none, not '${autoOffsetReset}'`)
  if (!['read_uncommitted', 'read_committed'].includes(isolationLevel)) {
    throw invalidOption('isolationLevel', `must be read_uncommitted or read_committed, not '${isolationLevel}'`)
  }
  const sessionTimeoutMs = positive('sessionTimeoutMs', options.sessionTimeoutMs, 45_000)
  const heartbeatIntervalMs = positive(
    'heartbeatIntervalMs',
    options.heartbeatIntervalMs,
    Math.min(3_000, sessionTimeoutMs / 3),
  )
  if (heartbeatIntervalMs >= sessionTimeoutMs)
    throw invalidOption('heartbeatIntervalMs', 'must be below sessionTimeoutMs; a third of it is usual')
  const client = resolveClientOptions(options)
  const fetchMaxWaitMs = inRange('fetchMaxWaitMs', options.fetchMaxWaitMs, 500, 0, client.requestTimeoutMs)
  return {
    client,
    groupId,
    groupInstanceId: options.groupInstanceId ?? null,
    autoOffsetReset,
    autoCommit: options.autoCommit ?? groupId !== null,
    autoCommitIntervalMs: positive('autoCommitIntervalMs', options.autoCommitIntervalMs, 5_000),
    sessionTimeoutMs,
    heartbeatIntervalMs,
    maxPollIntervalMs: positive('maxPollIntervalMs', options.maxPollIntervalMs, 300_000),
    fetchMaxWaitMs,
    fetchMinBytes: inRange('fetchMinBytes', options.fetchMinBytes, 1, 0, 2 ** 31 - 1),
    fetchMaxBytes: inRange('fetchMaxBytes', options.fetchMaxBytes, 50 * MIB, 1, 2 ** 31 - 1),
    partitionFetchMaxBytes: inRange('partitionFetchMaxBytes', options.partitionFetchMaxBytes, MIB, 1, 2 ** 31 - 1),
    prefetchBytes: positive('prefetchBytes', options.prefetchBytes, 64 * MIB),
    isolationLevel,
    checkCrcs: options.checkCrcs ?? true,
    stallTimeoutMs: positive('stallTimeoutMs', options.stallTimeoutMs, 300_000),
  }
}
