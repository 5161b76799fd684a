// Heartbeat: a member of a classic group is alive; the answer tells it to rejoin.
// v3 static members (KIP-345); v4 flexible.
import {
  api,
  int16,
  int32,
  string,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  versions: [0, 4],
  flexible: 4,
  listeners: ['broker'],
  request: () => ({
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: true, default: null }),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
  }),
})

export type HeartbeatRequest = RequestOf<typeof heartbeat>
export type HeartbeatRequestInput = RequestInput<typeof heartbeat>
export type HeartbeatResponse = ResponseOf<typeof heartbeat>
export type HeartbeatResponseInput = ResponseInput<typeof heartbeat>
