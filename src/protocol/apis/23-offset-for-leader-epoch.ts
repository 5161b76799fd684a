// OffsetForLeaderEpoch: where a leader epoch ended; clients and replicas find their point of truncation with it.
// v2 leader epoch of the client (KIP-320); v3 replica id, -2 for one that may see past the high watermark; v4
// flexible.
import {
  api,
  array,
  int16,
  int32,
  int64,
  string,
  struct,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const offsetForLeaderEpoch = api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: [2, 4],
  flexible: 4,
  listeners: ['broker'],
  request: () => ({
    replicaId: int32({ since: 3, default: -2, ignorable: true }),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            partition: int32(),
            currentLeaderEpoch: int32({ default: -1, ignorable: true }),
            leaderEpoch: int32(),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32({ ignorable: true }),
    topics: array(
      struct({
        topic: string(),
        partitions: array(
          struct({
            errorCode: int16(),
            partition: int32(),
            leaderEpoch: int32({ default: -1, ignorable: true }),
            endOffset: int64({ default: -1n }),
          }),
        ),
      }),
    ),
  }),
})

export type OffsetForLeaderEpochRequest = RequestOf<typeof offsetForLeaderEpoch>
export type OffsetForLeaderEpochRequestInput = RequestInput<typeof offsetForLeaderEpoch>
export type OffsetForLeaderEpochResponse = ResponseOf<typeof offsetForLeaderEpoch>
export type OffsetForLeaderEpochResponseInput = ResponseInput<typeof offsetForLeaderEpoch>
