/** Coordinator: the state machines behind groups (and later transactions and share groups), over Kafka's coordinator topics.
 *  Owns      groups, members and committed offsets of the `__consumer_offsets` partitions this node leads.
 *  May touch host, config, protocol; its topic only through PartitionLogs.
 *  Never     answers a socket, reads metadata, or changes logged state before its records are on disk.
 *  Start at  runtime/shard.ts (the contract), group/group-shard.ts, runtime/partition-runtime.ts.
 *            Why it is so: docs/internals/coordinator.md */
export { GroupCoordinator, type GroupCoordinatorOptions } from './group/group-coordinator.ts'
export type { Client, DeletedTopic } from './group/group-events.ts'
export type { FetchedGroup, GroupToFetch } from './group/offsets/offset-fetch.ts'
export type { PartitionLogs } from './runtime/partition-logs.ts'
