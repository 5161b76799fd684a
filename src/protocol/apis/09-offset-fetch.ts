// OffsetFetch: reads the committed positions of groups. Null topics means all.
// v3 throttle time; v5 leader epoch (KIP-320); v6 flexible; v7 wait for pending transactions (KIP-447); v8 several
// groups in one request (KIP-709), so the single-group fields end at v7; v9 member epochs, v10 topic ids (both
// KIP-848).
import {
  api,
  array,
  bool,
  int16,
  int32,
  int64,
  string,
  struct,
  uuid,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const offsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  versions: [1, 10],
  flexible: 6,
  listeners: ['broker'],
  request: () => ({
    groupId: string({ until: 7 }),
    topics: array(
      struct({
        name: string(),
        partitionIndexes: array(int32()),
      }),
      { until: 7, nullable: 2 },
    ),
    groups: array(
      struct({
        groupId: string(),
        memberId: string({ since: 9, nullable: true, default: null, ignorable: true }),
        memberEpoch: int32({ since: 9, default: -1, ignorable: true }),
        topics: array(
          struct({
            name: string({ until: 9, ignorable: true }),
            topicId: uuid({ since: 10, ignorable: true }),
            partitionIndexes: array(int32()),
          }),
          { nullable: true },
        ),
      }),
      { since: 8 },
    ),
    requireStable: bool({ since: 7 }),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ since: 5, default: -1, ignorable: true }),
            metadata: string({ nullable: true }),
            errorCode: int16(),
          }),
        ),
      }),
      { until: 7 },
    ),
    errorCode: int16({ since: 2, until: 7, ignorable: true }),
    groups: array(
      struct({
        groupId: string(),
        topics: array(
          struct({
            name: string({ until: 9, ignorable: true }),
            topicId: uuid({ since: 10, ignorable: true }),
            partitions: array(
              struct({
                partitionIndex: int32(),
                committedOffset: int64(),
                committedLeaderEpoch: int32({ default: -1, ignorable: true }),
                metadata: string({ nullable: true }),
                errorCode: int16(),
              }),
            ),
          }),
        ),
        errorCode: int16(),
      }),
      { since: 8 },
    ),
  }),
})

export type OffsetFetchRequest = RequestOf<typeof offsetFetch>
export type OffsetFetchRequestInput = RequestInput<typeof offsetFetch>
export type OffsetFetchResponse = ResponseOf<typeof offsetFetch>
export type OffsetFetchResponseInput = ResponseInput<typeof offsetFetch>
