// Owns which brokers get the replicas of new partitions. Never looks at load: it spreads evenly over racks and brokers.
// Invariant: the replicas of a partition are different brokers, on different racks as far as there are racks,
// and a fenced broker is chosen only when there is no other, never as the preferred leader while an unfenced one is left.
import { KafkaError } from '#protocol'

export interface PlaceableBroker {
  readonly nodeId: number
  readonly rack: string | null
  readonly fenced: boolean
}

export interface Placement {
  readonly brokers: readonly PlaceableBroker[]
  readonly firstPartition: number
  readonly partitionCount: number
  readonly replicationFactor: number
  /** Drawn by the caller, any whole number: where the round begins, so that small topics do not all begin on one broker. */
  readonly start: number
}

/** Replicas of each new partition, the preferred leader first. Throws INVALID_REPLICATION_FACTOR when there are too few brokers. */
export function placeReplicas(placement: Placement): readonly (readonly number[])[] {
  const { brokers, replicationFactor } = placement
  const usable = interleaveRacks(brokers.filter(broker => !broker.fenced))
  if (usable.length === 0) throw unreachable(replicationFactor, 'All brokers are currently fenced.')
  if (brokers.length < replicationFactor) {
    throw unreachable(
      replicationFactor,
      `The target replication factor of ${replicationFactor} cannot be reached because only ${brokers.length} broker(s) are registered.`,
    )
  }
  const fallback = interleaveRacks(brokers.filter(broker => broker.fenced))
  return Array.from({ length: placement.partitionCount }, (_, index) => {
    const turn = placement.start + placement.firstPartition + index
    return pick([...rotate(usable, turn), ...rotate(fallback, turn)], replicationFactor)
  })
}

function unreachable(replicationFactor: number, why: string): KafkaError {
  return new KafkaError(
    'INVALID_REPLICATION_FACTOR',
    `Unable to replicate the partition ${replicationFactor} time(s): ${why}`,
  )
}

/** One broker of each rack in turn, so that neighbours in the list are on different racks. */
function interleaveRacks(brokers: readonly PlaceableBroker[]): readonly PlaceableBroker[] {
  const byRack = new Map<string, PlaceableBroker[]>()
  for (const broker of [...brokers].sort((a, b) => a.nodeId - b.nodeId)) {
    const rack = broker.rack ?? ''
    byRack.set(rack, [...(byRack.get(rack) ?? []), broker])
  }
  const racks = [...byRack.values()]
  const tallest = Math.max(0, ...racks.map(rack => rack.length))
  return Array.from({ length: tallest }, (_, row) => racks.flatMap(rack => rack[row] ?? [])).flat()
}

/** The list begun at another place. After each whole round the followers shift too, or the same pairs would always meet. */
function rotate(brokers: readonly PlaceableBroker[], turn: number): readonly PlaceableBroker[] {
  if (brokers.length < 2) return brokers
  const first = turn % brokers.length
  const [leader, ...others] = [...brokers.slice(first), ...brokers.slice(0, first)] as [
    PlaceableBroker,
    ...PlaceableBroker[],
  ]
  const shift = Math.floor(turn / brokers.length) % others.length
  return [leader, ...others.slice(shift), ...others.slice(0, shift)]
}

/** The first of each rack in order, then whoever is left. */
function pick(order: readonly PlaceableBroker[], count: number): readonly number[] {
  const racks = new Set<string>()
  const firsts: number[] = []
  const rest: number[] = []
  for (const { nodeId, rack, fenced } of order) {
    const key = rack ?? ''
    // A fenced broker on a new rack does not come before an unfenced one.
    if (racks.has(key) || fenced) rest.push(nodeId)
    else firsts.push(nodeId)
    racks.add(key)
  }
  return [...firsts, ...rest].slice(0, count)
}
