// DescribeCluster: cluster id, controller and brokers (KIP-700).
// v1 may ask a controller for controllers (KIP-919); v2 fenced brokers too (KIP-1073).
import {
  api,
  array,
  bool,
  int16,
  int32,
  int8,
  string,
  struct,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'
import { INT32_MIN } from '../schema/limits.ts'

export const describeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 2],
  flexible: 0,
  listeners: ['broker', 'controller'],
  request: () => ({
    includeClusterAuthorizedOperations: bool(),
    endpointType: int8({ since: 1, default: 1 }),
    includeFencedBrokers: bool({ since: 2 }),
  }),
  response: () => ({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true, default: null }),
    endpointType: int8({ since: 1, default: 1 }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: array(
      struct({
        brokerId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: true, default: null }),
        isFenced: bool({ since: 2 }),
      }),
    ),
    clusterAuthorizedOperations: int32({ default: INT32_MIN }),
  }),
})

export type DescribeClusterRequest = RequestOf<typeof describeCluster>
export type DescribeClusterRequestInput = RequestInput<typeof describeCluster>
export type DescribeClusterResponse = ResponseOf<typeof describeCluster>
export type DescribeClusterResponseInput = ResponseInput<typeof describeCluster>
