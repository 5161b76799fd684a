/** Broker: one node's life and the control-plane half of its answers.
 *  Owns      start and stop order, registration, the metadata follower, the router, one handler per API.
 *  May touch native (data plane), metadata, coordinator, controller (through the channel's transport only), config, protocol, host.
 *  Never     reaches around the controller channel, touches a record on the hot path, or decides about the cluster.
 *  Start at  broker.ts, then router.ts and apis/03-metadata.ts. */
export { Broker } from './broker.ts'
export { ConfigFault } from './config-fault.ts'
export type { ControllerAnswer, ControllerChannel, ForwardContext } from './controller-channel.ts'
export { holdingProcess } from './process-hold.ts'
export type { ApiHandler, BrokerServices, RequestContext } from './request-context.ts'
