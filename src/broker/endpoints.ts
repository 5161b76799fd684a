// Owns which address of a broker a client is told. Invariant: always one of the listener the client came in on.
import type { BrokerImage, MetadataImage, PartitionImage } from '#metadata'
import { ErrorCode } from '#protocol'

export interface Endpoint {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export const NO_NODE: Endpoint = { nodeId: -1, host: '', port: -1, rack: null }

export function endpointOf(broker: BrokerImage, listenerName: string): Endpoint | null {
  const listener = broker.listeners.find(candidate => candidate.name === listenerName)
  if (listener === undefined) return null
  return { nodeId: broker.nodeId, host: listener.host, port: listener.port, rack: broker.rack }
}

/** Brokers a client can reach now: not fenced, and present on its listener. */
export function aliveEndpoints(image: MetadataImage, listenerName: string): readonly Endpoint[] {
  const endpoints: Endpoint[] = []
  for (const broker of image.brokers.values()) {
    if (broker.fenced) continue
    const endpoint = endpointOf(broker, listenerName)
    if (endpoint !== null) endpoints.push(endpoint)
  }
  return endpoints
}

export interface LeaderView {
  readonly errorCode: number
  readonly leaderId: number
  readonly offlineReplicas: readonly number[]
}

/** The leader of a partition as a client of `listenerName` sees it. */
export function leaderView(
  image: MetadataImage,
  partition: PartitionImage,
  listenerName: string,
  /** LISTENER_NOT_FOUND is known to Metadata 6 and later; older clients are told LEADER_NOT_AVAILABLE. */
  knowsListenerNotFound: boolean,
  /** This node, if the disk under its replica failed. */
  offlineHere: number | null,
): LeaderView {
  const offlineReplicas = partition.replicas.filter(replica => {
    if (replica === offlineHere) return true
    const broker = image.brokers.get(replica)
    return broker === undefined || broker.fenced || endpointOf(broker, listenerName) === null
  })
  const leader = image.brokers.get(partition.leader)
  if (leader === undefined || leader.fenced) {
    return { errorCode: ErrorCode.LEADER_NOT_AVAILABLE, leaderId: -1, offlineReplicas }
  }
  if (endpointOf(leader, listenerName) === null) {
    const errorCode = knowsListenerNotFound ? ErrorCode.LISTENER_NOT_FOUND : ErrorCode.LEADER_NOT_AVAILABLE
    return { errorCode, leaderId: -1, offlineReplicas }
  }
  return { errorCode: ErrorCode.NONE, leaderId: partition.leader, offlineReplicas }
}
