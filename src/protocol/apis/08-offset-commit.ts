// OffsetCommit: stores the positions of a group.
// Retention time until v4, then the broker's setting (KIP-211); v6 leader epoch (KIP-320); v7 static members
// (KIP-345); v8 flexible; v9 member epochs of the new group protocol; v10 topic ids (both KIP-848).
import {
  api,
  array,
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

export const offsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: [2, 10],
  flexible: 8,
  listeners: ['broker'],
  request: () => ({
    groupId: string(),
    generationIdOrMemberEpoch: int32({ default: -1, ignorable: true }),
    memberId: string({ ignorable: true }),
    groupInstanceId: string({ since: 7, nullable: true, default: null }),
    retentionTimeMs: int64({ until: 4, default: -1n, ignorable: true }),
    topics: array(
      struct({
        name: string({ until: 9, ignorable: true }),
        topicId: uuid({ since: 10, ignorable: true }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ since: 6, default: -1, ignorable: true }),
            committedMetadata: string({ nullable: true }),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 3, ignorable: true }),
    topics: array(
      struct({
        name: string({ until: 9, ignorable: true }),
        topicId: uuid({ since: 10, ignorable: true }),
        partitions: array(
          struct({
            partitionIndex: int32(),
            errorCode: int16(),
          }),
        ),
      }),
    ),
  }),
})

export type OffsetCommitRequest = RequestOf<typeof offsetCommit>
export type OffsetCommitRequestInput = RequestInput<typeof offsetCommit>
export type OffsetCommitResponse = ResponseOf<typeof offsetCommit>
export type OffsetCommitResponseInput = ResponseInput<typeof offsetCommit>
