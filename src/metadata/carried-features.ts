// Owns which features of Apache Kafka a metadata log may have finalised although what they promise does not exist here (yet):
// their levels are kept for the broker that wrote them, and are not told to clients.
// Invariant: no level changes how a record of the metadata log is to be read; one that did could not be carried.

export interface CarriedFeature {
  readonly name: string
  readonly maxLevel: number
}

/** Under level 1 the controller notes who has everything committed although it is in no ISR (KIP-966). */
export const ELIGIBLE_LEADER_REPLICAS = 'eligible.leader.replicas.version'

export const CARRIED_FEATURES: readonly CarriedFeature[] = [
  { name: ELIGIBLE_LEADER_REPLICAS, maxLevel: 1 },
  { name: 'group.version', maxLevel: 1 },
  { name: 'share.version', maxLevel: 1 },
  { name: 'streams.version', maxLevel: 1 },
  { name: 'transaction.version', maxLevel: 2 },
]
