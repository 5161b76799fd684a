// LeaveGroup: members leave a classic group at once.
// v3 several members, by member or instance id (KIP-345), so the single member ends at v2; v4 flexible; v5 reason
// (KIP-800).
import {
  api,
  array,
  int16,
  int32,
  string,
  struct,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const leaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: [0, 5],
  flexible: 4,
  listeners: ['broker'],
  request: () => ({
    groupId: string(),
    memberId: string({ until: 2 }),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ nullable: true, default: null }),
        reason: string({ since: 5, nullable: true, default: null, ignorable: true }),
      }),
      { since: 3 },
    ),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ nullable: true }),
        errorCode: int16(),
      }),
      { since: 3 },
    ),
  }),
})

export type LeaveGroupRequest = RequestOf<typeof leaveGroup>
export type LeaveGroupRequestInput = RequestInput<typeof leaveGroup>
export type LeaveGroupResponse = ResponseOf<typeof leaveGroup>
export type LeaveGroupResponseInput = ResponseInput<typeof leaveGroup>
