// Fetch: reads whole batches from offsets; consumers, replicas and metadata observers use it.
// v7 fetch sessions (KIP-227); v9 leader epoch (KIP-320); v11 rack, nearest replica (KIP-392); v12 flexible,
// diverging epochs, snapshots (KIP-595); v13 topic ids (KIP-516); v15 replica state (KIP-903); v16 endpoints of new
// leaders (KIP-951); v17 directory id (KIP-853); v18 high watermark known to the replica (KIP-1166).
import {
  api,
  array,
  int16,
  int32,
  int64,
  int8,
  records,
  string,
  struct,
  uuid,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'
import { INT32_MAX, INT64_MAX } from '../schema/limits.ts'

export const fetch = api({
  key: 1,
  name: 'Fetch',
  versions: [4, 18],
  flexible: 12,
  listeners: ['broker', 'controller'],
  request: () => ({
    clusterId: string({ since: 12, nullable: true, default: null, tag: 0, ignorable: true }),
    replicaId: int32({ until: 14, default: -1 }),
    replicaState: struct(
      {
        replicaId: int32({ default: -1 }),
        replicaEpoch: int64({ default: -1n }),
      },
      { since: 15, tag: 1 },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ default: INT32_MAX, ignorable: true }),
    isolationLevel: int8({ ignorable: true }),
    sessionId: int32({ since: 7, ignorable: true }),
    sessionEpoch: int32({ since: 7, default: -1, ignorable: true }),
    topics: array(
      struct({
        topic: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitions: array(
          struct({
            partition: int32(),
            currentLeaderEpoch: int32({ since: 9, default: -1, ignorable: true }),
            fetchOffset: int64(),
            lastFetchedEpoch: int32({ since: 12, default: -1 }),
            logStartOffset: int64({ since: 5, default: -1n, ignorable: true }),
            partitionMaxBytes: int32(),
            replicaDirectoryId: uuid({ since: 17, tag: 0, ignorable: true }),
            highWatermark: int64({ since: 18, default: INT64_MAX, tag: 1, ignorable: true }),
          }),
        ),
      }),
    ),
    forgottenTopicsData: array(
      struct({
        topic: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitions: array(int32()),
      }),
      { since: 7 },
    ),
    rackId: string({ since: 11, ignorable: true }),
  }),
  response: () => ({
    throttleTimeMs: int32({ ignorable: true }),
    errorCode: int16({ since: 7, ignorable: true }),
    sessionId: int32({ since: 7 }),
    responses: array(
      struct({
        topic: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            highWatermark: int64(),
            lastStableOffset: int64({ default: -1n, ignorable: true }),
            logStartOffset: int64({ since: 5, default: -1n, ignorable: true }),
            divergingEpoch: struct(
              {
                epoch: int32({ default: -1 }),
                endOffset: int64({ default: -1n }),
              },
              { since: 12, tag: 0 },
            ),
            currentLeader: struct(
              {
                leaderId: int32({ default: -1 }),
                leaderEpoch: int32({ default: -1 }),
              },
              { since: 12, tag: 1 },
            ),
            snapshotId: struct(
              {
                endOffset: int64({ default: -1n }),
                epoch: int32({ default: -1 }),
              },
              { since: 12, tag: 2 },
            ),
            abortedTransactions: array(
              struct({
                producerId: int64(),
                firstOffset: int64(),
              }),
              { nullable: true, ignorable: true },
            ),
            preferredReadReplica: int32({ since: 11, default: -1 }),
            records: records({ nullable: true }),
          }),
        ),
      }),
    ),
    nodeEndpoints: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: true, default: null }),
      }),
      { since: 16, tag: 0 },
    ),
  }),
})

export type FetchRequest = RequestOf<typeof fetch>
export type FetchRequestInput = RequestInput<typeof fetch>
export type FetchResponse = ResponseOf<typeof fetch>
export type FetchResponseInput = ResponseInput<typeof fetch>
