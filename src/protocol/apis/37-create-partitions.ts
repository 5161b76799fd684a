// CreatePartitions: raises the partition count of topics (KIP-195).
// v2 flexible; v3 may be throttled (KIP-599).
import {
  api,
  array,
  bool,
  int16,
  int32,
  string,
  struct,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const createPartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 3],
  flexible: 2,
  listeners: ['broker', 'controller'],
  request: () => ({
    topics: array(
      struct({
        name: string(),
        count: int32(),
        assignments: array(
          struct({
            brokerIds: array(int32()),
          }),
          { nullable: true },
        ),
      }),
    ),
    timeoutMs: int32(),
    validateOnly: bool(),
  }),
  response: () => ({
    throttleTimeMs: int32(),
    results: array(
      struct({
        name: string(),
        errorCode: int16(),
        errorMessage: string({ nullable: true, default: null }),
      }),
    ),
  }),
})

export type CreatePartitionsRequest = RequestOf<typeof createPartitions>
export type CreatePartitionsRequestInput = RequestInput<typeof createPartitions>
export type CreatePartitionsResponse = ResponseOf<typeof createPartitions>
export type CreatePartitionsResponseInput = ResponseInput<typeof createPartitions>
