// JoinGroup: enters a rebalance; the answer comes when the generation is formed, and the leader gets all members.
// v1 rebalance timeout apart from session timeout (v0: the same); v4 a member without id is told one first (KIP-394);
// v5 static members (KIP-345); v6 flexible; v7 protocol type in the answer (KIP-559); v8 reason (KIP-800); v9 the
// leader may skip assigning (KIP-814).
import {
  api,
  array,
  bool,
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

export const joinGroup = api({
  key: 11,
  name: 'JoinGroup',
  versions: [0, 9],
  flexible: 6,
  listeners: ['broker'],
  request: () => ({
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32({ since: 1, default: -1, ignorable: true }),
    memberId: string(),
    groupInstanceId: string({ since: 5, nullable: true, default: null }),
    protocolType: string(),
    protocols: array(
      struct({
        name: string(),
        metadata: bytes(),
      }),
    ),
    reason: string({ since: 8, nullable: true, default: null, ignorable: true }),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 2, ignorable: true }),
    errorCode: int16(),
    generationId: int32({ default: -1 }),
    protocolType: string({ since: 7, nullable: true, default: null, ignorable: true }),
    protocolName: string({ nullable: 7 }),
    leader: string(),
    skipAssignment: bool({ since: 9 }),
    memberId: string(),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ since: 5, nullable: true, default: null, ignorable: true }),
        metadata: bytes(),
      }),
    ),
  }),
})

export type JoinGroupRequest = RequestOf<typeof joinGroup>
export type JoinGroupRequestInput = RequestInput<typeof joinGroup>
export type JoinGroupResponse = ResponseOf<typeof joinGroup>
export type JoinGroupResponseInput = ResponseInput<typeof joinGroup>
