// Owns the settings of a topic, and which settings of the broker stand in for those that a topic does not set.
// Invariant: every synonym is a setting of the broker, of the same meaning; the first that is set counts.
import type { BrokerSettingName } from './broker-settings/index.ts'
import { type ConfigDefinition, setting, type ValueOfSetting } from './config-definition.ts'

const MAX_LONG = '9223372036854775807'
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

const all = [
  setting(
    'cleanup.policy',
    'list',
    'delete',
    'medium',
    'What happens to old segments: delete, compact, both, or nothing when empty.',
    { oneOf: ['compact', 'delete'], mayBeEmpty: true },
  ),
  setting(
    'compression.type',
    'string',
    'producer',
    'medium',
    'Compression in the log: a codec, uncompressed, or producer to keep what the producer chose.',
    { oneOf: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'] },
  ),
  setting('compression.gzip.level', 'int', '-1', 'medium', 'Level when compression.type is gzip.', {
    min: 1,
    max: 9,
    also: -1,
  }),
  setting('compression.lz4.level', 'int', '9', 'medium', 'Level when compression.type is lz4.', { min: 1, max: 17 }),
  setting('compression.zstd.level', 'int', '3', 'medium', 'Level when compression.type is zstd.', {
    min: -131_072,
    max: 22,
  }),
  setting(
    'delete.retention.ms',
    'long',
    '86400000',
    'medium',
    'How long delete markers and transaction markers stay in a compacted log.',
    { min: 0 },
  ),
  setting('file.delete.delay.ms', 'long', '60000', 'medium', 'Time between marking a file deleted and removing it.', {
    min: 0,
  }),
  setting('flush.messages', 'long', MAX_LONG, 'medium', "Records after which a partition's log is flushed to disk.", {
    min: 1,
  }),
  setting('flush.ms', 'long', MAX_LONG, 'medium', "Age of unflushed records at which a partition's log is flushed.", {
    min: 0,
  }),
  setting(
    'flush.policy',
    'string',
    'sync',
    'medium',
    'What acks=all waits for beside the replicas: sync, replicated or relaxed; see the setting of the broker.',
    { oneOf: ['sync', 'replicated', 'relaxed'] },
  ),
  setting(
    'follower.replication.throttled.replicas',
    'list',
    '',
    'medium',
    'Replicas whose fetching is throttled: partition:broker, separated by commas, or * for all.',
    { replicaPairs: true, mayBeEmpty: true },
  ),
  setting(
    'leader.replication.throttled.replicas',
    'list',
    '',
    'medium',
    'Replicas whose sending is throttled: partition:broker, separated by commas, or * for all.',
    { replicaPairs: true, mayBeEmpty: true },
  ),
  setting('index.interval.bytes', 'int', '4096', 'medium', 'Bytes of log between two entries of the offset index.', {
    min: 0,
  }),
  setting('internal.segment.bytes', 'int', null, 'medium', 'Segment size in tests.', { internal: true }),
  setting(
    'local.retention.bytes',
    'long',
    '-2',
    'medium',
    'How many bytes of tiered segments stay on local disk; -2 means as retention.bytes.',
    { min: -2 },
  ),
  setting(
    'local.retention.ms',
    'long',
    '-2',
    'medium',
    'How long tiered segments stay on local disk; -2 means as long as retention.ms.',
    { min: -2 },
  ),
  setting(
    'max.compaction.lag.ms',
    'long',
    MAX_LONG,
    'medium',
    'A record waits at most this long to be considered for compaction.',
    { min: 1 },
  ),
  setting('max.message.bytes', 'int', '1048588', 'medium', 'Largest record batch accepted, after compression.', {
    min: 0,
  }),
  setting(
    'message.timestamp.after.max.ms',
    'long',
    '3600000',
    'medium',
    "How far a record's timestamp may lie in the future.",
    { min: 0 },
  ),
  setting(
    'message.timestamp.before.max.ms',
    'long',
    MAX_LONG,
    'medium',
    "How far a record's timestamp may lie in the past.",
    { min: 0 },
  ),
  setting(
    'message.timestamp.type',
    'string',
    'CreateTime',
    'medium',
    "Whether a record keeps its producer's timestamp (CreateTime) or gets the broker's (LogAppendTime).",
    { oneOf: ['CreateTime', 'LogAppendTime'] },
  ),
  setting(
    'min.cleanable.dirty.ratio',
    'double',
    '0.5',
    'medium',
    'Part of a log that must be uncompacted before it is compacted again.',
    { min: 0, max: 1 },
  ),
  setting('min.compaction.lag.ms', 'long', '0', 'medium', 'A record is not compacted away before this age.', {
    min: 0,
  }),
  setting(
    'min.insync.replicas',
    'int',
    '1',
    'medium',
    'Replicas that must have a batch before acks=all is answered; with fewer in sync the write is refused.',
    { min: 1 },
  ),
  setting('preallocate', 'boolean', 'false', 'medium', "Allocate a segment's whole file when it is created."),
  setting(
    'remote.log.copy.disable',
    'boolean',
    'false',
    'medium',
    'Stop copying segments to remote storage and read what is there.',
  ),
  setting(
    'remote.log.delete.on.disable',
    'boolean',
    'false',
    'medium',
    'Delete remote segments when tiered storage is turned off for the topic.',
  ),
  setting('remote.storage.enable', 'boolean', 'false', 'medium', 'Keep closed segments in remote storage.'),
  setting(
    'retention.bytes',
    'long',
    '-1',
    'medium',
    "Size of a partition's log above which its oldest segments are deleted; -1 for no limit.",
  ),
  setting('retention.ms', 'long', '604800000', 'medium', 'How long a closed segment is kept; -1 for ever.', {
    min: -1,
  }),
  setting(
    'segment.bytes',
    'int',
    '1073741824',
    'medium',
    'Size at which a segment file is closed and the next one begun.',
    { min: 1_048_576 },
  ),
  setting('segment.index.bytes', 'int', '10485760', 'medium', "Largest size of a segment's offset index.", { min: 4 }),
  setting(
    'segment.jitter.ms',
    'long',
    '0',
    'medium',
    'Random time taken off the roll age, so that segments do not roll together.',
    { min: 0 },
  ),
  setting('segment.ms', 'long', '604800000', 'medium', 'Age at which a segment is closed, full or not.', { min: 1 }),
  setting(
    'unclean.leader.election.enable',
    'boolean',
    'false',
    'medium',
    'Allow a replica that is not in sync to lead as a last resort, at the price of lost records.',
  ),
] as const

type TopicDefinition = (typeof all)[number]
export type TopicSettingName = TopicDefinition['name']
export type TopicSettingValue<Name extends TopicSettingName> = ValueOfSetting<Extract<TopicDefinition, { name: Name }>>

/** By name, in the order of names. */
export const topicSettings: ReadonlyMap<string, ConfigDefinition> = new Map(
  all
    .map((definition): [string, ConfigDefinition] => [definition.name, definition])
    .sort(([a], [b]) => (a < b ? -1 : 1)),
)

export interface TopicSynonym {
  readonly name: BrokerSettingName
  /** The broker's value times this is the topic's, for settings in minutes and hours. */
  readonly factorMs?: number
}

/** Settings without a row here exist for topics only. */
export const topicSynonyms: Readonly<Record<string, readonly TopicSynonym[]>> = {
  'cleanup.policy': [{ name: 'log.cleanup.policy' }],
  'compression.gzip.level': [{ name: 'compression.gzip.level' }],
  'compression.lz4.level': [{ name: 'compression.lz4.level' }],
  'compression.type': [{ name: 'compression.type' }],
  'compression.zstd.level': [{ name: 'compression.zstd.level' }],
  'delete.retention.ms': [{ name: 'log.cleaner.delete.retention.ms' }],
  'file.delete.delay.ms': [{ name: 'log.segment.delete.delay.ms' }],
  'flush.messages': [{ name: 'log.flush.interval.messages' }],
  'flush.ms': [{ name: 'log.flush.interval.ms' }, { name: 'log.flush.scheduler.interval.ms' }],
  'flush.policy': [{ name: 'flush.policy' }],
  'index.interval.bytes': [{ name: 'log.index.interval.bytes' }],
  'local.retention.bytes': [{ name: 'log.local.retention.bytes' }],
  'local.retention.ms': [{ name: 'log.local.retention.ms' }],
  'max.compaction.lag.ms': [{ name: 'log.cleaner.max.compaction.lag.ms' }],
  'max.message.bytes': [{ name: 'message.max.bytes' }],
  'message.timestamp.after.max.ms': [{ name: 'log.message.timestamp.after.max.ms' }],
  'message.timestamp.before.max.ms': [{ name: 'log.message.timestamp.before.max.ms' }],
  'message.timestamp.type': [{ name: 'log.message.timestamp.type' }],
  'min.cleanable.dirty.ratio': [{ name: 'log.cleaner.min.cleanable.ratio' }],
  'min.compaction.lag.ms': [{ name: 'log.cleaner.min.compaction.lag.ms' }],
  'min.insync.replicas': [{ name: 'min.insync.replicas' }],
  preallocate: [{ name: 'log.preallocate' }],
  'retention.bytes': [{ name: 'log.retention.bytes' }],
  'retention.ms': [
    { name: 'log.retention.ms' },
    { name: 'log.retention.minutes', factorMs: MINUTE_MS },
    { name: 'log.retention.hours', factorMs: HOUR_MS },
  ],
  'segment.bytes': [{ name: 'log.segment.bytes' }],
  'segment.index.bytes': [{ name: 'log.index.size.max.bytes' }],
  'segment.jitter.ms': [{ name: 'log.roll.jitter.ms' }, { name: 'log.roll.jitter.hours', factorMs: HOUR_MS }],
  'segment.ms': [{ name: 'log.roll.ms' }, { name: 'log.roll.hours', factorMs: HOUR_MS }],
  'unclean.leader.election.enable': [{ name: 'unclean.leader.election.enable' }],
}
