// Owns the settings of a broker for quotas and metrics.
import { setting } from '../config-definition.ts'

const MAX_LONG = '9223372036854775807'

export const quotaSettings = [
  setting('quota.window.num', 'int', '11', 'low', 'Windows kept for client quotas.', { min: 1 }),
  setting('quota.window.size.seconds', 'int', '1', 'low', 'Length of a client quota window.', { min: 1 }),
  setting(
    'controller.quota.window.num',
    'int',
    '11',
    'low',
    'Windows kept for the quota of topic and partition changes.',
    { min: 1 },
  ),
  setting(
    'controller.quota.window.size.seconds',
    'int',
    '1',
    'low',
    'Length of a window of the quota of topic and partition changes.',
    { min: 1 },
  ),
  setting('replication.quota.window.num', 'int', '11', 'low', 'Windows kept for replication quotas.', { min: 1 }),
  setting('replication.quota.window.size.seconds', 'int', '1', 'low', 'Length of a replication quota window.', {
    min: 1,
  }),
  setting(
    'alter.log.dirs.replication.quota.window.num',
    'int',
    '11',
    'low',
    'Windows kept for the quota of moves between directories.',
    { min: 1 },
  ),
  setting(
    'alter.log.dirs.replication.quota.window.size.seconds',
    'int',
    '1',
    'low',
    'Length of a window of the quota of moves between directories.',
    { min: 1 },
  ),
  setting('client.quota.callback.class', 'class', null, 'low', 'Class that decides quotas.'),
  setting(
    'leader.replication.throttled.rate',
    'long',
    MAX_LONG,
    'medium',
    'Bytes in a second sent to throttled replicas.',
    { min: 0, mode: 'cluster-wide' },
  ),
  setting(
    'follower.replication.throttled.rate',
    'long',
    MAX_LONG,
    'medium',
    'Bytes in a second fetched for throttled replicas.',
    { min: 0, mode: 'cluster-wide' },
  ),
  setting(
    'replica.alter.log.dirs.io.max.bytes.per.second',
    'long',
    MAX_LONG,
    'medium',
    'Bytes in a second for moves between directories.',
    { min: 0, mode: 'cluster-wide' },
  ),
  setting('metric.reporters', 'list', '', 'low', 'Classes that report metrics.', {
    mayBeEmpty: true,
    mode: 'cluster-wide',
  }),
  setting('metrics.num.samples', 'int', '2', 'low', 'Samples kept for a metric.', { min: 1 }),
  setting('metrics.sample.window.ms', 'long', '30000', 'low', 'Time over which a sample is taken.', { min: 1 }),
  setting(
    'metrics.recording.level',
    'string',
    'INFO',
    'low',
    'Lowest level of metrics that is recorded: INFO, DEBUG or TRACE.',
  ),
  setting('kafka.metrics.reporters', 'list', '', 'low', "Classes that report the broker's own metrics.", {
    mayBeEmpty: true,
  }),
  setting('kafka.metrics.polling.interval.secs', 'int', '10', 'low', 'Time between two polls of those reporters.', {
    min: 1,
  }),
  setting('telemetry.max.bytes', 'int', '1048576', 'low', 'Largest client telemetry accepted, after compression.', {
    min: 1,
  }),
] as const
