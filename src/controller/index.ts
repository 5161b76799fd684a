/** Controller: the one place where the cluster is decided.
 *  Owns      the metadata log `__cluster_metadata-0`, its snapshots, the epoch of this leader, broker sessions, every decision about
 *            topics, partitions, leaders, settings, producer ids.
 *  May touch metadata (images), protocol, config, native (the log), host.
 *  Never     talks to a client or a socket: a channel hands it requests. Deciding files hold no clock, randomness or I/O.
 *  Start at  controller.ts (the only doer), then topics.ts for the shape of a decision. Why: docs/internals/metadata.md */
export { Controller, type ControllerAnswer, type ControllerOptions, type RequestOrigin } from './controller.ts'
export type { ControllerResult } from './controller-result.ts'
export { RefusedDirectory } from './refused-directory.ts'
export type { StoredMetadata } from './stored-metadata.ts'
export { METADATA_TOPIC, METADATA_TOPIC_ID } from './topic-names.ts'
