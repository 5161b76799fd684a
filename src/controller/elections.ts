// Owns who leads when brokers come and go. Never elects a replica that is not in sync (unclean elections are not made).
// Invariant: the last in-sync replica, which has all that is committed, stays known, so that only it may lead again: in the ISR or, where the
// cluster has finalised eligible leader replicas (KIP-966), among those. Apache Kafka forgets it otherwise when it comes back uncleanly.
import { ELIGIBLE_LEADER_REPLICAS, type MetadataImage, NO_LEADER, type PartitionImage } from '#metadata'
import type { MetadataRecordInput } from '#protocol'

/** A broker may lead no more (it was fenced, or is stopping): others take over, or the partition goes without a leader.
 *  Walks every partition; brokers leave rarely. */
export function recordsWhenBrokerLeaves(
  image: MetadataImage,
  leaving: number,
  isActive: (nodeId: number) => boolean,
): readonly MetadataRecordInput[] {
  const keepsEligible = (image.features.get(ELIGIBLE_LEADER_REPLICAS) ?? 0) > 0
  return changes(image, partition => {
    if (partition.leader !== leaving && !partition.isr.includes(leaving)) return null
    const others = partition.isr.filter(id => id !== leaving)
    if (others.length > 0) return elected(partition, others, id => id !== leaving && isActive(id))
    if (keepsEligible && partition.isr.length > 0) {
      return { leader: NO_LEADER, isr: [], elr: [...new Set([...partition.elr, leaving])], lastKnownElr: [leaving] }
    }
    return elected(partition, partition.isr, id => id !== leaving && isActive(id))
  })
}

/** A broker may lead again: partitions without a leader that waited for it get it. */
export function recordsWhenBrokerReturns(
  image: MetadataImage,
  returning: number,
  isActive: (nodeId: number) => boolean,
): readonly MetadataRecordInput[] {
  return changes(image, partition => {
    if (partition.leader !== NO_LEADER) return null
    // KIP-966: Apache Kafka takes the last replica out of the ISR and notes that it has everything committed.
    const isr = partition.isr.length === 0 && partition.elr.includes(returning) ? [returning] : partition.isr
    if (!isr.includes(returning)) return null
    return elected(partition, isr, id => id === returning || isActive(id))
  })
}

interface Elected {
  readonly leader: number
  readonly isr: readonly number[]
  readonly elr: readonly number[]
  readonly lastKnownElr: readonly number[]
}

/** The leader stays if it can; else the first in-sync replica in the order of preference. */
function elected(partition: PartitionImage, isr: readonly number[], mayLead: (nodeId: number) => boolean): Elected {
  const fit = (id: number): boolean => isr.includes(id) && mayLead(id)
  const stays = partition.leader !== NO_LEADER && fit(partition.leader)
  const leader = stays ? partition.leader : (partition.replicas.find(fit) ?? NO_LEADER)
  // Members of the ISR are not eligible besides; with a leader nobody needs to know who led last.
  const elr = partition.elr.filter(id => !isr.includes(id))
  return { leader, isr, elr, lastKnownElr: leader === NO_LEADER ? partition.lastKnownElr : [] }
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
        ...(sameMembers(next.elr, partition.elr) ? {} : { eligibleLeaderReplicas: next.elr }),
        ...(sameMembers(next.lastKnownElr, partition.lastKnownElr) ? {} : { lastKnownElr: next.lastKnownElr }),
      })
    }
  }
  return records
}

function sameMembers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every(id => b.includes(id))
}
