// SyncGroup: the leader hands in the assignments, everyone receives theirs.
// v3 static members (KIP-345); v4 flexible; v5 protocol type and name are checked and returned (KIP-559).
import {
  api,
  array,
  bytes,
  int16,
  int32,
  string,
  struct,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const syncGroup = api({
  key: 14,
  name: 'SyncGroup',
  versions: [0, 5],
  flexible: 4,
  listeners: ['broker'],
  request: () => ({
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: true, default: null }),
    protocolType: string({ since: 5, nullable: true, default: null, ignorable: true }),
    protocolName: string({ since: 5, nullable: true, default: null, ignorable: true }),
    assignments: array(
      struct({
        memberId: string(),
        assignment: bytes(),
      }),
    ),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    protocolType: string({ since: 5, nullable: true, default: null, ignorable: true }),
    protocolName: string({ since: 5, nullable: true, default: null, ignorable: true }),
    assignment: bytes(),
  }),
})

export type SyncGroupRequest = RequestOf<typeof syncGroup>
export type SyncGroupRequestInput = RequestInput<typeof syncGroup>
export type SyncGroupResponse = ResponseOf<typeof syncGroup>
export type SyncGroupResponseInput = ResponseInput<typeof syncGroup>
