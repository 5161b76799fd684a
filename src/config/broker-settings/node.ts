// Owns the settings of a broker for this node: its identity, its directories, its internal upkeep.
import { setting } from '../config-definition.ts'

const MAX_LONG = '9223372036854775807'

export const nodeSettings = [
  setting('node.id', 'int', '1', 'high', 'Number of this node, unique in the cluster.', { min: 0 }),
  setting('broker.id', 'int', '-1', 'high', 'Former name of node.id.'),
  setting('process.roles', 'list', 'broker,controller', 'high', 'What this process does: broker, controller or both.', {
    oneOf: ['broker', 'controller'],
  }),
  setting(
    'broker.rack',
    'string',
    null,
    'medium',
    'Rack or zone of this node; replicas of a partition are spread over racks.',
  ),
  setting(
    'log.dirs',
    'list',
    null,
    'high',
    'Directories for the data, separated by commas; log.dir is used when this is not set.',
  ),
  setting('log.dir', 'list', './millrace-data', 'high', 'The single data directory, used when log.dirs is not set.'),
  setting('cordoned.log.dirs', 'list', '', 'medium', 'Data directories that get no new replicas; * for all of them.', {
    mayBeEmpty: true,
    mode: 'per-broker',
  }),
  setting(
    'metadata.log.dir',
    'string',
    null,
    'high',
    'Directory of the metadata log; the first data directory when not set.',
  ),
  setting('background.threads', 'int', '10', 'high', 'Threads for housekeeping work.', {
    min: 1,
    mode: 'cluster-wide',
  }),
  setting(
    'num.recovery.threads.per.data.dir',
    'int',
    '2',
    'high',
    'Threads for each data directory that recover logs at start and flush them at stop.',
    { min: 1, mode: 'cluster-wide' },
  ),
  setting(
    'server.max.startup.time.ms',
    'long',
    MAX_LONG,
    'medium',
    'How long a start may take before it is given up.',
    { min: 0, internal: true },
  ),
  setting(
    'initial.broker.registration.timeout.ms',
    'int',
    '60000',
    'medium',
    'How long a starting broker tries to register before it gives up.',
  ),
  setting(
    'broker.heartbeat.interval.ms',
    'int',
    '2000',
    'medium',
    'Time between two heartbeats of a broker to the controller.',
  ),
  setting(
    'broker.session.timeout.ms',
    'int',
    '9000',
    'medium',
    'A broker that sends no heartbeat for this long is fenced by the controller.',
  ),
  setting('controlled.shutdown.enable', 'boolean', 'true', 'medium', 'Hand leadership over before stopping.'),
  setting('config.providers', 'list', '', 'low', 'Names of the providers that resolve placeholders in settings.', {
    mayBeEmpty: true,
    mode: 'cluster-wide',
  }),
  setting(
    'auto.create.topics.enable',
    'boolean',
    'true',
    'high',
    'Create a topic when a client asks for one that does not exist.',
  ),
  setting('delete.topic.enable', 'boolean', 'true', 'high', 'Allow topics to be deleted.'),
  setting('num.partitions', 'int', '1', 'medium', 'Partitions of a topic that is created without saying how many.', {
    min: 1,
  }),
  setting(
    'default.replication.factor',
    'int',
    '1',
    'medium',
    'Replicas of a partition whose topic is created without saying how many.',
  ),
  setting('create.topic.policy.class.name', 'class', null, 'low', 'Class that may refuse the creation of a topic.'),
  setting('alter.config.policy.class.name', 'class', null, 'low', 'Class that may refuse a change of settings.'),
  setting(
    'unstable.api.versions.enable',
    'boolean',
    'false',
    'high',
    'Offer versions of requests that are still in development.',
    { internal: true },
  ),
  setting(
    'unstable.feature.versions.enable',
    'boolean',
    'false',
    'high',
    'Allow feature levels that are still in development.',
    { internal: true },
  ),
] as const
