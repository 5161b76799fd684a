// Owns the way back from an image to records: what a snapshot holds.
// Invariant: replaying the records of an image into an empty one gives an equal image, offset and epoch aside.
import { assert } from '#host'
import type { MetadataRecordInput } from '#protocol'
import type { BrokerImage, PartitionImage, TopicImage } from './images.ts'
import type { MetadataImage } from './metadata-image.ts'
import { METADATA_VERSION, metadataVersionOf, recordVersion } from './record-versions.ts'

/** In an order in which each record finds what it builds on. */
export function* imageRecords(image: MetadataImage): Generator<MetadataRecordInput> {
  assert(image.transaction === null, 'an image inside a transaction is no snapshot')
  const metadataVersion = metadataVersionOf(image.features)
  const at = (record: MetadataRecordInput): MetadataRecordInput => ({
    ...record,
    version: recordVersion(record.type, metadataVersion),
  })
  yield* featureRecords(image)
  for (const broker of image.brokers.values()) yield at(brokerRecord(broker))
  for (const controller of image.controllers.values()) {
    yield {
      type: 'RegisterControllerRecord',
      controllerId: controller.nodeId,
      incarnationId: controller.incarnationId,
      zkMigrationReady: controller.zkMigrationReady,
      endPoints: controller.listeners,
      features: controller.features,
    }
  }
  for (const topic of image.topics.all()) {
    yield { type: 'TopicRecord', name: topic.name, topicId: topic.topicId }
    for (const partition of topic.partitions) yield at(partitionRecord(topic, partition))
  }
  for (const { resourceType, resourceName, configs } of image.configs.all()) {
    for (const [name, value] of configs) yield { type: 'ConfigRecord', resourceType, resourceName, name, value }
  }
  if (image.nextProducerId > 0n) {
    yield { type: 'ProducerIdsRecord', brokerId: -1, brokerEpoch: -1n, nextProducerId: image.nextProducerId }
  }
  yield* image.kept.values()
}

/** metadata.version comes first: it says how to read what follows. */
function* featureRecords({ features }: MetadataImage): Generator<MetadataRecordInput> {
  const names = [...features.keys()].sort((a, b) => Number(b === METADATA_VERSION) - Number(a === METADATA_VERSION))
  for (const name of names) yield { type: 'FeatureLevelRecord', name, featureLevel: features.get(name) as number }
}

function brokerRecord(broker: BrokerImage): MetadataRecordInput {
  return {
    type: 'RegisterBrokerRecord',
    brokerId: broker.nodeId,
    incarnationId: broker.incarnationId,
    brokerEpoch: broker.brokerEpoch,
    endPoints: broker.listeners,
    features: broker.features,
    rack: broker.rack,
    fenced: broker.fenced,
    inControlledShutdown: broker.inControlledShutdown,
    logDirs: broker.directories,
    cordonedLogDirs: broker.cordonedDirectories.length === 0 ? null : broker.cordonedDirectories,
  }
}

/** The record that makes a partition as it is, in the newest version. */
export function partitionRecord(topic: Pick<TopicImage, 'topicId'>, partition: PartitionImage): MetadataRecordInput {
  return {
    type: 'PartitionRecord',
    topicId: topic.topicId,
    partitionId: partition.partition,
    leader: partition.leader,
    leaderEpoch: partition.leaderEpoch,
    partitionEpoch: partition.partitionEpoch,
    replicas: partition.replicas,
    isr: partition.isr,
    eligibleLeaderReplicas: partition.elr.length === 0 ? null : partition.elr,
    lastKnownElr: partition.lastKnownElr.length === 0 ? null : partition.lastKnownElr,
    directories: partition.directories,
    removingReplicas: partition.removing,
    addingReplicas: partition.adding,
    leaderRecoveryState: partition.leaderRecoveryState,
  }
}
