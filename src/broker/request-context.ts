// Owns what a handler is given: the request's circumstances and the services of the node. Never holds state of its own.
import type { BrokerConfig } from '#config'
import type { GroupCoordinator } from '#coordinator'
import type { Host } from '#host'
import type { MetadataImage } from '#metadata'
import type { ApiVersionRange, BrokerHandle } from '#native'
import type { Api, KafkaError, RequestInput, RequestOf, ResponseInput, ResponseOf } from '#protocol'
import type { AutoCreate } from './auto-create.ts'
import type { ControllerChannel, ForwardContext } from './controller-channel.ts'
import type { OfflinePartitions } from './offline-partitions.ts'
import type { ProducerIds } from './producer-ids.ts'

/** What one node offers to its handlers. One per broker, the same for all requests. */
export interface BrokerServices {
  readonly nodeId: number
  readonly clusterId: string
  readonly config: BrokerConfig
  readonly host: Host
  /** What ApiVersions answers with. */
  readonly apiVersions: readonly ApiVersionRange[]
  readonly data: BrokerHandle
  /** What a failed disk took from this node. */
  readonly offline: OfflinePartitions
  readonly groups: GroupCoordinator
  readonly channel: ControllerChannel
  readonly autoCreate: AutoCreate
  readonly producerIds: ProducerIds
  /** What this node believes now. Hold it for the length of one request, not longer. */
  image(): MetadataImage
  /** Sends to the controller and resolves when this node has seen the result: what is acknowledged is usable. */
  forward<A extends Api>(
    api: A,
    version: number,
    request: RequestInput<A>,
    context: ForwardContext,
  ): Promise<ResponseOf<A>>
  /** Resolves when the coordinators of all partitions led now have read their logs. */
  coordinatorsLoaded(): Promise<void>
}

export interface RequestContext {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  /** Empty when the client sent none. */
  readonly clientId: string
  readonly connectionId: number
  /** The listener the request came in on: answers name endpoints of this one. */
  readonly listenerName: string
  /** `/127.0.0.1`, as Kafka prints it. */
  readonly clientHost: string
  readonly services: BrokerServices
  /** Aborted when the connection is gone or the broker stops. */
  readonly closed: AbortSignal
}

/** One API: what it is and how it is answered. Lives in `apis/NN-name.ts`. */
export interface ApiHandler<A extends Api = Api> {
  readonly api: A
  handle(request: RequestOf<A>, context: RequestContext): ResponseInput<A> | Promise<ResponseInput<A>>
  /** The answer that carries an error of the whole request; without it a top-level `errorCode` is filled in. */
  failed?(request: RequestOf<A>, error: KafkaError, context: RequestContext): ResponseInput<A>
}
