// Owns the registry of the APIs described here. One line per API: this list is the support table of the protocol folder.
import type { Api } from '../schema/notation.ts'
import { produce } from './00-produce.ts'
import { fetch } from './01-fetch.ts'
import { listOffsets } from './02-list-offsets.ts'
import { metadata } from './03-metadata.ts'
import { offsetCommit } from './08-offset-commit.ts'
import { offsetFetch } from './09-offset-fetch.ts'
import { findCoordinator } from './10-find-coordinator.ts'
import { joinGroup } from './11-join-group.ts'
import { heartbeat } from './12-heartbeat.ts'
import { leaveGroup } from './13-leave-group.ts'
import { syncGroup } from './14-sync-group.ts'
import { describeGroups } from './15-describe-groups.ts'
import { listGroups } from './16-list-groups.ts'
import { apiVersions } from './18-api-versions.ts'
import { createTopics } from './19-create-topics.ts'
import { deleteTopics } from './20-delete-topics.ts'
import { deleteRecords } from './21-delete-records.ts'
import { initProducerId } from './22-init-producer-id.ts'
import { offsetForLeaderEpoch } from './23-offset-for-leader-epoch.ts'
import { describeConfigs } from './32-describe-configs.ts'
import { createPartitions } from './37-create-partitions.ts'
import { deleteGroups } from './42-delete-groups.ts'
import { incrementalAlterConfigs } from './44-incremental-alter-configs.ts'
import { offsetDelete } from './47-offset-delete.ts'
import { envelope } from './58-envelope.ts'
import { fetchSnapshot } from './59-fetch-snapshot.ts'
import { describeCluster } from './60-describe-cluster.ts'
import { brokerRegistration } from './62-broker-registration.ts'
import { brokerHeartbeat } from './63-broker-heartbeat.ts'
import { allocateProducerIds } from './67-allocate-producer-ids.ts'
import { describeTopicPartitions } from './75-describe-topic-partitions.ts'

export * from './00-produce.ts'
export * from './01-fetch.ts'
export * from './02-list-offsets.ts'
export * from './03-metadata.ts'
export * from './08-offset-commit.ts'
export * from './09-offset-fetch.ts'
export * from './10-find-coordinator.ts'
export * from './11-join-group.ts'
export * from './12-heartbeat.ts'
export * from './13-leave-group.ts'
export * from './14-sync-group.ts'
export * from './15-describe-groups.ts'
export * from './16-list-groups.ts'
export * from './18-api-versions.ts'
export * from './19-create-topics.ts'
export * from './20-delete-topics.ts'
export * from './21-delete-records.ts'
export * from './22-init-producer-id.ts'
export * from './23-offset-for-leader-epoch.ts'
export * from './32-describe-configs.ts'
export * from './37-create-partitions.ts'
export * from './42-delete-groups.ts'
export * from './44-incremental-alter-configs.ts'
export * from './47-offset-delete.ts'
export * from './58-envelope.ts'
export * from './59-fetch-snapshot.ts'
export * from './60-describe-cluster.ts'
export * from './62-broker-registration.ts'
export * from './63-broker-heartbeat.ts'
export * from './67-allocate-producer-ids.ts'
export * from './75-describe-topic-partitions.ts'

/** Every described API by key. */
export const apis: ReadonlyMap<number, Api> = new Map<number, Api>(
  [
    produce,
    fetch,
    listOffsets,
    metadata,
    offsetCommit,
    offsetFetch,
    findCoordinator,
    joinGroup,
    heartbeat,
    leaveGroup,
    syncGroup,
    describeGroups,
    listGroups,
    apiVersions,
    createTopics,
    deleteTopics,
    deleteRecords,
    initProducerId,
    offsetForLeaderEpoch,
    describeConfigs,
    createPartitions,
    deleteGroups,
    incrementalAlterConfigs,
    offsetDelete,
    envelope,
    fetchSnapshot,
    describeCluster,
    brokerRegistration,
    brokerHeartbeat,
    allocateProducerIds,
    describeTopicPartitions,
  ].map(described => [described.key, described]),
)

export function apiByKey(key: number): Api | undefined {
  return apis.get(key)
}
