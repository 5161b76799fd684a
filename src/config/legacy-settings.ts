// Owns the names that Kafka once had, or that only make sense elsewhere, and what a reader of an old file is told about them.
// Never changes a value silently: each of them that is set costs one warning.

/** Still understood: the value is taken under the new name. */
export const renamedSettings: Readonly<Record<string, string>> = {
  'broker.id': 'node.id',
  'delegation.token.master.key': 'delegation.token.secret.key',
}

const EMBEDDED_CONTROLLER = 'there is no ZooKeeper here, the controller is part of this process'
const ONE_FORMAT = 'there is only one message format now'
const USE_LISTENERS = 'use listeners'
const USE_ADVERTISED_LISTENERS = 'use advertised.listeners'
const NO_PASSWORD_ENCODING = 'passwords are not stored in ZooKeeper any more'

/** Accepted without effect: why, or what to use. */
export const retiredSettings: Readonly<Record<string, string>> = {
  'zookeeper.connect': EMBEDDED_CONTROLLER,
  'zookeeper.connection.timeout.ms': EMBEDDED_CONTROLLER,
  'zookeeper.session.timeout.ms': EMBEDDED_CONTROLLER,
  'zookeeper.max.in.flight.requests': EMBEDDED_CONTROLLER,
  'zookeeper.sync.time.ms': EMBEDDED_CONTROLLER,
  'zookeeper.set.acl': EMBEDDED_CONTROLLER,
  'zookeeper.metadata.migration.enable': EMBEDDED_CONTROLLER,
  'broker.id.generation.enable': 'set node.id',
  'reserved.broker.max.id': 'set node.id',
  'host.name': USE_LISTENERS,
  port: USE_LISTENERS,
  'advertised.host.name': USE_ADVERTISED_LISTENERS,
  'advertised.port': USE_ADVERTISED_LISTENERS,
  'control.plane.listener.name': 'use controller.listener.names',
  'inter.broker.protocol.version': 'the feature level metadata.version took its place',
  'log.message.format.version': ONE_FORMAT,
  'log.message.downconversion.enable': ONE_FORMAT,
  'log.message.timestamp.difference.max.ms':
    'use log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms',
  'offsets.commit.required.acks': 'offsets are always committed with acks=all',
  'controlled.shutdown.max.retries': 'the controller says when a broker may go',
  'controlled.shutdown.retry.backoff.ms': 'the controller says when a broker may go',
  'leader.imbalance.per.broker.percentage': 'any imbalance is corrected',
  'auto.include.jmx.reporter': 'name reporters in metric.reporters',
  'password.encoder.secret': NO_PASSWORD_ENCODING,
  'password.encoder.old.secret': NO_PASSWORD_ENCODING,
  'password.encoder.iterations': NO_PASSWORD_ENCODING,
  'password.encoder.key.length': NO_PASSWORD_ENCODING,
  'password.encoder.cipher.algorithm': NO_PASSWORD_ENCODING,
  'password.encoder.keyfactory.algorithm': NO_PASSWORD_ENCODING,
}

/** Beginnings of names that belong to plug-ins or to one listener; whoever reads them checks them. */
export const foreignPrefixes: readonly string[] = [
  'listener.name.',
  'rlmm.config.',
  'rsm.config.',
  'config.providers.',
  'confluent.',
]
