// Owns the admin's view of the cluster itself: id, controller, brokers.
import * as protocol from '#protocol'
import { ErrorCode } from '#protocol'
import type { CallOptions, Cluster } from '../network/cluster.ts'
import { kafkaErrorOf } from '../network/kafka-errors.ts'
import { callAnyBroker } from './broker-call.ts'

export interface ClusterDescription {
  readonly clusterId: string
  /** In KRaft any live broker may be named: it forwards. null when there is none. */
  readonly controllerId: number | null
  readonly brokers: readonly BrokerDescription[]
}

export interface BrokerDescription {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

export async function describeCluster(cluster: Cluster, call: CallOptions): Promise<ClusterDescription> {
  const response = await callAnyBroker(cluster, call, protocol.describeCluster, {})
  if (response.errorCode !== ErrorCode.NONE)
    throw kafkaErrorOf(response.errorCode, 'DescribeCluster', response.errorMessage)
  return {
    clusterId: response.clusterId,
    controllerId: response.controllerId < 0 ? null : response.controllerId,
    brokers: [...response.brokers]
      .sort((a, b) => a.brokerId - b.brokerId)
      .map(({ brokerId, host, port, rack }) => ({ nodeId: brokerId, host, port, rack })),
  }
}
