// Owns what follows from a new image on this node: the partition table goes down, the coordinator learns what it leads.
// Never decides leadership. Invariant: when `publish` returns, or the promise it returned resolves, every partition the image gives this node takes writes,
// or its failure has been logged.
import type { GroupCoordinator } from '#coordinator'
import { type Host, type Logger, uuidFromBytes, uuidToBytes } from '#host'
import type { BrokerConfig } from '#config'
import { type MetadataImage, partitionTable, partitionTableDelta, type TopicImage } from '#metadata'
import type { BrokerHandle, PublishResult } from '#native'
import { errorOf } from '#protocol'
import type { MetadataChange } from './metadata-follower.ts'
import type { PartitionIo } from './partition-io/pool.ts'
import { recover } from './partition-io/recovery.ts'
import { GROUP_TOPIC } from './topic-names.ts'

export interface PartitionPublisherOptions {
  readonly nodeId: number
  readonly config: BrokerConfig
  readonly data: BrokerHandle
  readonly groups: GroupCoordinator
  readonly partitionIo: PartitionIo
  readonly host: Host
  readonly logger: Logger
}

export class PartitionPublisher {
  readonly #options: PartitionPublisherOptions
  /** Leader epochs under which this node leads partitions of the group topic. */
  readonly #ledGroupPartitions = new Map<number, number>()
  readonly #loading = new Set<Promise<void>>()

  constructor(options: PartitionPublisherOptions) {
    this.#options = options
  }

  /** Returns a promise only when logs have to be recovered: a crash came before. */
  publish({ image, delta }: MetadataChange, previous: MetadataImage): void | Promise<void> {
    const { config, data } = this.#options
    const deleted = delta === null ? topicsGone(previous, image) : delta.deletedTopics
    const { failures, recovering } = data.publish(
      delta === null
        ? { ...partitionTable(image, config), deletedTopicIds: deleted.map(({ topicId }) => uuidToBytes(topicId)) }
        : partitionTableDelta(delta, image, config),
    )
    const goOn = (outcome: Pick<PublishResult, 'failures'>) => this.#goOn(outcome, image, deleted)
    if (recovering.length === 0) return goOn({ failures })
    return recover(recovering, this.#options).then(() => goOn(data.publishHeld()))
  }

  #goOn({ failures }: Pick<PublishResult, 'failures'>, image: MetadataImage, deleted: readonly TopicImage[]): void {
    const { groups } = this.#options
    this.#report(failures)
    this.#moveCoordinators(image)
    if (deleted.length > 0) groups.topicDeleted(deleted.map(({ name, topicId }) => ({ name, topicId })))
  }

  /** Resolves when the coordinators of all partitions led now have read their logs. */
  async coordinatorsLoaded(): Promise<void> {
    await Promise.all(this.#loading)
  }

  #report(failures: PublishResult['failures']): void {
    const { logger } = this.#options
    for (const failure of failures) {
      logger.error('a partition cannot be opened', {
        topicId: uuidFromBytes(failure.topicId),
        partition: failure.partition,
        code: errorOf(failure.errorCode).name,
        reason: failure.message,
      })
    }
  }

  #moveCoordinators(image: MetadataImage): void {
    const { nodeId, groups } = this.#options
    const partitions = image.topics.byName(GROUP_TOPIC)?.partitions ?? []
    for (const partition of this.#ledGroupPartitions.keys()) {
      if (partitions[partition]?.leader === nodeId) continue
      this.#ledGroupPartitions.delete(partition)
      groups.partitionResigned(partition)
    }
    for (const { partition, leader, leaderEpoch } of partitions) {
      if (leader !== nodeId || this.#ledGroupPartitions.get(partition) === leaderEpoch) continue
      this.#ledGroupPartitions.set(partition, leaderEpoch)
      const loading = groups.partitionElected(partition, leaderEpoch).finally(() => this.#loading.delete(loading))
      this.#loading.add(loading)
    }
  }
}

function topicsGone(previous: MetadataImage, image: MetadataImage): readonly TopicImage[] {
  return [...previous.topics.all()].filter(({ topicId }) => image.topics.byId(topicId) === undefined)
}
