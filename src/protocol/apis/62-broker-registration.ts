// BrokerRegistration: a broker introduces itself to the controller and gets its epoch (KIP-631).
// v1 migration from ZooKeeper (KIP-866); v2 log directories (KIP-858); v3 epoch before a clean shutdown (KIP-966); v4
// features may start at level 0 (KAFKA-17011).
import {
  api,
  array,
  bool,
  int16,
  int32,
  int64,
  string,
  struct,
  uint16,
  uuid,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const brokerRegistration = api({
  key: 62,
  name: 'BrokerRegistration',
  versions: [0, 4],
  flexible: 0,
  listeners: ['controller'],
  request: () => ({
    brokerId: int32(),
    clusterId: string(),
    incarnationId: uuid(),
    listeners: array(
      struct({
        name: string(),
        host: string(),
        port: uint16(),
        securityProtocol: int16(),
      }),
    ),
    features: array(
      struct({
        name: string(),
        minSupportedVersion: int16(),
        maxSupportedVersion: int16(),
      }),
    ),
    rack: string({ nullable: true }),
    isMigratingZkBroker: bool({ since: 1 }),
    logDirs: array(uuid(), { since: 2, ignorable: true }),
    previousBrokerEpoch: int64({ since: 3, default: -1n, ignorable: true }),
  }),
  response: () => ({
    throttleTimeMs: int32(),
    errorCode: int16(),
    brokerEpoch: int64({ default: -1n }),
  }),
})

export type BrokerRegistrationRequest = RequestOf<typeof brokerRegistration>
export type BrokerRegistrationRequestInput = RequestInput<typeof brokerRegistration>
export type BrokerRegistrationResponse = ResponseOf<typeof brokerRegistration>
export type BrokerRegistrationResponseInput = ResponseInput<typeof brokerRegistration>
