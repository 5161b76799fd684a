// Owns who leads when brokers come and go. Never elects a replica that is not in sync (unclean elections are not made).
// Invariant: an ISR is never emptied: the last member stays in it, so that only it, with all that is committed, may lead again.
import { type MetadataImage, NO_LEADER, type PartitionImage } from '#metadata'
import type { MetadataRecordInput } from '#protocol'

/** A broker may lead no more (it was fenced, or is stopping): others take over, or the partition goes without a leader.
 *  Walks every partition; brokers leave rarely. */
export function recordsWhenBrokerLeaves(
  image: MetadataImage,
  leaving: number,
  isActive: (nodeId: number) => boolean,
): readonly MetadataRecordInput[] {
  return changes(image, partition => {
    if (partition.leader !== leaving && !partition.isr.includes(leaving)) return null
    const others = partition.isr.filter(id => id !== leaving)
    const isr = others.length === 0 ? partition.isr : others
    return elected(partition, isr, id => id !== leaving && isActive(id))
  })
}

/** A broker may lead again: partitions without a leader that waited for it get it. */
export function recordsWhenBrokerReturns(
  image: MetadataImage,
  returning: number,
  isActive: (nodeId: number) => boolean,
): readonly MetadataRecordInput[] {
  return changes(image, partition => {
    if (partition.leader !== NO_LEADER || !partition.isr.includes(returning)) return null
    return elected(partition, partition.isr, id => id === returning || isActive(id))
  })
}

interface Elected {
  readonly leader: number
  readonly isr: readonly number[]
}

/** The leader stays if it can; else the first in-sync replica in the order of preference. */
function elected(partition: PartitionImage, isr: readonly number[], mayLead: (nodeId: number) => boolean): Elected {
  const fit = (id: number): boolean => isr.includes(id) && mayLead(id)
  if (partition.leader !== NO_LEADER && fit(partition.leader)) return { leader: partition.leader, isr }
  return { leader: partition.replicas.find(fit) ?? NO_LEADER, isr }
}

function changes(
  image: MetadataImage,
  decide: (partition: PartitionImage) => Elected | null,
): readonly MetadataRecordInput[] {
  const records: MetadataRecordInput[] = []
  for (const { topicId, partitions } of image.topics.all()) {
    for (const partition of partitions) {
      const next = decide(partition)
      if (next === null) continue
      const leaderChanged = next.leader !== partition.leader
      const isrChanged = next.isr.length !== partition.isr.length
      if (!leaderChanged && !isrChanged) continue
      records.push({
        type: 'PartitionChangeRecord',
        topicId,
        partitionId: partition.partition,
        ...(leaderChanged ? { leader: next.leader } : {}),
        ...(isrChanged ? { isr: next.isr } : {}),
      })
    }
  }
  return records
}
