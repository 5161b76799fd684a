/** Metadata: what this node believes about the cluster.
 *  Owns      the image, and the rule that it changes only by replaying committed records; snapshots; the partition table.
 *  May touch protocol (record schemas, batches), config (settings of topics), native (types of the partition table), host (uuids).
 *  Never     decides anything, talks to a socket, opens a file or reads the clock.
 *  Start at  metadata-image.ts, then metadata-delta.ts. Why it is so: docs/internals/metadata.md */
export {
  type BrokerImage,
  type ControllerImage,
  isInternalTopic,
  type ListenerImage,
  NO_LEADER,
  type PartitionImage,
  type QuorumImage,
  type SupportedFeatureImage,
  type TopicImage,
  type VoterImage,
} from './images.ts'
export { CARRIED_FEATURES, type CarriedFeature, ELIGIBLE_LEADER_REPLICAS } from './carried-features.ts'
export { imageRecords, partitionRecord } from './image-records.ts'
export { type LoadedBatches, loadBatches, type LoadOptions, replayBatch } from './metadata-batches.ts'
export { MetadataDelta } from './metadata-delta.ts'
export {
  collisionForm,
  type ConfigResource,
  ConfigsImage,
  MetadataImage,
  type MetadataImageParts,
  TopicsImage,
} from './metadata-image.ts'
export { nativeTopicConfig, partitionTable, partitionTableDelta } from './partition-table.ts'
export { PersistentMap } from './persistent-map.ts'
export {
  METADATA_VERSION,
  METADATA_VERSION_LATEST,
  METADATA_VERSION_MINIMUM,
  metadataVersionOf,
  recordVersion,
} from './record-versions.ts'
export { decodeBootstrap, decodeSnapshot, encodeSnapshot, type SnapshotOptions } from './snapshot.ts'
export { compareSnapshotIds, parseSnapshotFileName, type SnapshotId, snapshotFileName } from './snapshot-id.ts'
