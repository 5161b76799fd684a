// An image as plain data, so that two of them can be compared whatever their inner shape.
import type { MetadataImage } from '#metadata'

export function imageParts(image: MetadataImage): unknown {
  const sorted = <T>(rows: Iterable<readonly [string, T]>) => [...rows].sort(([a], [b]) => (a < b ? -1 : 1))
  const topics = sorted([...image.topics.all()].map(topic => [topic.topicId, topic] as const))
  return {
    topics,
    names: sorted(topics.map(([, { name }]) => [name, image.topics.byName(name)?.topicId] as const)),
    size: image.topics.size,
    brokers: [...image.brokers.values()].sort((a, b) => a.nodeId - b.nodeId),
    controllers: [...image.controllers.values()],
    configs: sorted(
      [...image.configs.all()].map(
        ({ resourceType, resourceName, configs }) => [`${resourceType} ${resourceName}`, sorted(configs)] as const,
      ),
    ),
    features: sorted(image.features),
    nextProducerId: image.nextProducerId,
    kept: sorted(image.kept.entries()),
    transaction: image.transaction,
  }
}
