// FetchSnapshot: a piece of a metadata snapshot by position (KIP-630). v1 directory id and leader endpoint (KIP-853).
import {
  api,
  array,
  int16,
  int32,
  int64,
  records,
  string,
  struct,
  uint16,
  uuid,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'
import { INT32_MAX } from '../schema/limits.ts'

export const fetchSnapshot = api({
  key: 59,
  name: 'FetchSnapshot',
  versions: [0, 1],
  flexible: 0,
  listeners: ['controller'],
  request: () => ({
    clusterId: string({ nullable: true, default: null, tag: 0 }),
    replicaId: int32({ default: -1 }),
    maxBytes: int32({ default: INT32_MAX }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partition: int32(),
            currentLeaderEpoch: int32(),
            snapshotId: struct({
              endOffset: int64(),
              epoch: int32(),
            }),
            position: int64(),
            replicaDirectoryId: uuid({ since: 1, tag: 0, ignorable: true }),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32({ ignorable: true }),
    errorCode: int16(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            index: int32(),
            errorCode: int16(),
            snapshotId: struct({
              endOffset: int64(),
              epoch: int32(),
            }),
            currentLeader: struct(
              {
                leaderId: int32(),
                leaderEpoch: int32(),
              },
              { tag: 0 },
            ),
            size: int64(),
            position: int64(),
            unalignedRecords: records(),
          }),
        ),
      }),
    ),
    nodeEndpoints: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: uint16(),
      }),
      { since: 1, tag: 0 },
    ),
  }),
})

export type FetchSnapshotRequest = RequestOf<typeof fetchSnapshot>
export type FetchSnapshotRequestInput = RequestInput<typeof fetchSnapshot>
export type FetchSnapshotResponse = ResponseOf<typeof fetchSnapshot>
export type FetchSnapshotResponseInput = ResponseInput<typeof fetchSnapshot>
