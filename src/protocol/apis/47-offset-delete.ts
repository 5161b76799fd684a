// OffsetDelete: removes committed offsets of topics a group does not read (KIP-496).
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

export const offsetDelete = api({
  key: 47,
  name: 'OffsetDelete',
  versions: [0, 0],
  flexible: null,
  listeners: ['broker'],
  request: () => ({
    groupId: string(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    errorCode: int16(),
    throttleTimeMs: int32({ ignorable: true }),
    topics: array(
      struct({
        name: string(),
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

export type OffsetDeleteRequest = RequestOf<typeof offsetDelete>
export type OffsetDeleteRequestInput = RequestInput<typeof offsetDelete>
export type OffsetDeleteResponse = ResponseOf<typeof offsetDelete>
export type OffsetDeleteResponseInput = ResponseInput<typeof offsetDelete>
