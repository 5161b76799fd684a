// BrokerHeartbeat: a broker is alive, how far it has read the metadata log, and whether it wants to stop (KIP-631).
// v1 offline log directories (KIP-858); v2 cordoned directories (KIP-1066).
import {
  api,
  array,
  bool,
  int16,
  int32,
  int64,
  uuid,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const brokerHeartbeat = api({
  key: 63,
  name: 'BrokerHeartbeat',
  versions: [0, 2],
  flexible: 0,
  listeners: ['controller'],
  request: () => ({
    brokerId: int32(),
    brokerEpoch: int64({ default: -1n }),
    currentMetadataOffset: int64(),
    wantFence: bool(),
    wantShutDown: bool(),
    offlineLogDirs: array(uuid(), { since: 1, tag: 0 }),
    cordonedLogDirs: array(uuid(), { since: 2, nullable: true, default: null, tag: 1 }),
  }),
  response: () => ({
    throttleTimeMs: int32(),
    errorCode: int16(),
    isCaughtUp: bool(),
    isFenced: bool({ default: true }),
    shouldShutDown: bool(),
  }),
})

export type BrokerHeartbeatRequest = RequestOf<typeof brokerHeartbeat>
export type BrokerHeartbeatRequestInput = RequestInput<typeof brokerHeartbeat>
export type BrokerHeartbeatResponse = ResponseOf<typeof brokerHeartbeat>
export type BrokerHeartbeatResponseInput = ResponseInput<typeof brokerHeartbeat>
