// FindCoordinator: which broker coordinates a group, a transactional id or a share partition.
// v1 key type (0 group, 1 transaction); v3 flexible; v4 several keys in one request, so the single-key fields end at
// v3 (KIP-699); v5 may answer TRANSACTION_ABORTABLE (KIP-890); v6 key type 2, share (KIP-932).
import {
  api,
  array,
  int16,
  int32,
  int8,
  string,
  struct,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const findCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 6],
  flexible: 3,
  listeners: ['broker'],
  request: () => ({
    key: string({ until: 3 }),
    keyType: int8({ since: 1 }),
    coordinatorKeys: array(string(), { since: 4 }),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16({ until: 3 }),
    errorMessage: string({ since: 1, until: 3, nullable: true, ignorable: true }),
    nodeId: int32({ until: 3 }),
    host: string({ until: 3 }),
    port: int32({ until: 3 }),
    coordinators: array(
      struct({
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: true, ignorable: true }),
      }),
      { since: 4 },
    ),
  }),
})

export type FindCoordinatorRequest = RequestOf<typeof findCoordinator>
export type FindCoordinatorRequestInput = RequestInput<typeof findCoordinator>
export type FindCoordinatorResponse = ResponseOf<typeof findCoordinator>
export type FindCoordinatorResponseInput = ResponseInput<typeof findCoordinator>
