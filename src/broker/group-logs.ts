// Owns the coordinator's view of `__consumer_offsets`: the same partitions, the same append path as Produce.
// Invariant: an append resolves only when it is committed and on disk.
import type { PartitionLogs } from '#coordinator'
import type { MetadataImage } from '#metadata'
import type { BrokerHandle } from '#native'
import { KafkaError } from '#protocol'
import { GROUP_TOPIC } from './topic-names.ts'

export class GroupLogs implements PartitionLogs {
  readonly #data: BrokerHandle
  readonly #image: () => MetadataImage

  constructor(data: BrokerHandle, image: () => MetadataImage) {
    this.#data = data
    this.#image = image
  }

  append(partition: number, batch: Buffer): Promise<{ readonly baseOffset: bigint }> {
    return this.#data.append(this.#topicId(), partition, batch, true)
  }

  read(partition: number, offset: bigint, maxBytes: number): Buffer {
    return this.#data.readLog(this.#topicId(), partition, offset, maxBytes)
  }

  startOffset(partition: number): bigint {
    return this.#data.partitionOffsets(this.#topicId(), partition).logStartOffset
  }

  endOffset(partition: number): bigint {
    return this.#data.partitionOffsets(this.#topicId(), partition).logEndOffset
  }

  #topicId(): string {
    const topic = this.#image().topics.byName(GROUP_TOPIC)
    if (topic === undefined) throw new KafkaError('NOT_COORDINATOR', `${GROUP_TOPIC} does not exist`)
    return topic.topicId
  }
}
