// Owns the list of handlers: one line per API, this list is the support table of the broker folder.
// Produce, Fetch and ListOffsets are answered by the native core and never come here.
import type { Api } from '#protocol'
import type { ApiHandler } from '../request-context.ts'
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
import { describeCluster } from './60-describe-cluster.ts'
import { describeTopicPartitions } from './75-describe-topic-partitions.ts'

/** Forgets the request type, which only the handler's own schema can give it back. */
function handler<A extends Api>(typed: ApiHandler<A>): ApiHandler {
  return typed as unknown as ApiHandler
}

export const handlers: ReadonlyMap<number, ApiHandler> = new Map(
  [
    handler(metadata),
    handler(offsetCommit),
    handler(offsetFetch),
    handler(findCoordinator),
    handler(joinGroup),
    handler(heartbeat),
    handler(leaveGroup),
    handler(syncGroup),
    handler(describeGroups),
    handler(listGroups),
    handler(apiVersions),
    handler(createTopics),
    handler(deleteTopics),
    handler(deleteRecords),
    handler(initProducerId),
    handler(offsetForLeaderEpoch),
    handler(describeConfigs),
    handler(createPartitions),
    handler(deleteGroups),
    handler(incrementalAlterConfigs),
    handler(offsetDelete),
    handler(describeCluster),
    handler(describeTopicPartitions),
  ].map(entry => [entry.api.key, entry]),
)
