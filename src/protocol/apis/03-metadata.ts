// Metadata: brokers, controller, topics with partitions and leaders. In v0 no topics means all, later null means all
// and [] none.
// v4 the client may forbid auto-creation; v7 leader epoch (KIP-320); v8 authorised operations (KIP-430), for the
// cluster until v10 only (KIP-700); v9 flexible; v10 returns topic ids and v12 accepts them (KIP-516); v13 error for
// the whole answer (KIP-1102).
import {
  api,
  array,
  bool,
  int16,
  int32,
  string,
  struct,
  uuid,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'
import { INT32_MIN } from '../schema/limits.ts'

export const metadata = api({
  key: 3,
  name: 'Metadata',
  versions: [0, 13],
  flexible: 9,
  listeners: ['broker'],
  request: () => ({
    topics: array(
      struct({
        topicId: uuid({ since: 10, ignorable: true }),
        name: string({ nullable: 10 }),
      }),
      { nullable: 1 },
    ),
    allowAutoTopicCreation: bool({ since: 4, default: true }),
    includeClusterAuthorizedOperations: bool({ since: 8, until: 10 }),
    includeTopicAuthorizedOperations: bool({ since: 8 }),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    brokers: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ since: 1, nullable: true, default: null, ignorable: true }),
      }),
    ),
    clusterId: string({ since: 2, nullable: true, default: null, ignorable: true }),
    controllerId: int32({ since: 1, default: -1, ignorable: true }),
    topics: array(
      struct({
        errorCode: int16(),
        name: string({ nullable: 12 }),
        topicId: uuid({ since: 10, ignorable: true }),
        isInternal: bool({ since: 1, ignorable: true }),
        partitions: array(
          struct({
            errorCode: int16(),
            partitionIndex: int32(),
            leaderId: int32(),
            leaderEpoch: int32({ since: 7, default: -1, ignorable: true }),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            offlineReplicas: array(int32(), { since: 5, ignorable: true }),
          }),
        ),
        topicAuthorizedOperations: int32({ since: 8, default: INT32_MIN }),
      }),
    ),
    clusterAuthorizedOperations: int32({ since: 8, until: 10, default: INT32_MIN }),
    errorCode: int16({ since: 13, ignorable: true }),
  }),
})

export type MetadataRequest = RequestOf<typeof metadata>
export type MetadataRequestInput = RequestInput<typeof metadata>
export type MetadataResponse = ResponseOf<typeof metadata>
export type MetadataResponseInput = ResponseInput<typeof metadata>
