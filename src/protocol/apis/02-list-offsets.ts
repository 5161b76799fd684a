// ListOffsets: an offset by time or by a special timestamp (-1 latest, -2 earliest, and those below).
// v2 isolation level; v4 leader epoch (KIP-320); v6 flexible; v7 -3 maximum timestamp (KIP-734); v8 -4 earliest local
// (KIP-405); v9 -5 last tiered (KIP-1005); v10 timeout for remote lookups (KIP-1075); v11 -6 earliest pending upload
// (KIP-1023).
import {
  api,
  array,
  int16,
  int32,
  int64,
  int8,
  string,
  struct,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const listOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: [1, 11],
  flexible: 6,
  listeners: ['broker'],
  request: () => ({
    replicaId: int32(),
    isolationLevel: int8({ since: 2 }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            currentLeaderEpoch: int32({ since: 4, default: -1, ignorable: true }),
            timestamp: int64(),
          }),
        ),
      }),
    ),
    timeoutMs: int32({ since: 10, ignorable: true }),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 2, ignorable: true }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
            timestamp: int64({ default: -1n }),
            offset: int64({ default: -1n }),
            leaderEpoch: int32({ since: 4, default: -1 }),
          }),
        ),
      }),
    ),
  }),
})

export type ListOffsetsRequest = RequestOf<typeof listOffsets>
export type ListOffsetsRequestInput = RequestInput<typeof listOffsets>
export type ListOffsetsResponse = ResponseOf<typeof listOffsets>
export type ListOffsetsResponseInput = ResponseInput<typeof listOffsets>
