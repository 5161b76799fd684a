// DeleteRecords: moves the log start offset of partitions forward; -1 means the high watermark (KIP-107). v2
// flexible.
import {
  api,
  array,
  int16,
  int32,
  int64,
  string,
  struct,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const deleteRecords = api({
  key: 21,
  name: 'DeleteRecords',
  versions: [0, 2],
  flexible: 2,
  listeners: ['broker'],
  request: () => ({
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            offset: int64(),
          }),
        ),
      }),
    ),
    timeoutMs: int32(),
  }),
  response: () => ({
    throttleTimeMs: int32(),
    topics: array(
      struct({
        name: string(),
        partitions: array(
          struct({
            partitionIndex: int32(),
            lowWatermark: int64(),
            errorCode: int16(),
          }),
        ),
      }),
    ),
  }),
})

export type DeleteRecordsRequest = RequestOf<typeof deleteRecords>
export type DeleteRecordsRequestInput = RequestInput<typeof deleteRecords>
export type DeleteRecordsResponse = ResponseOf<typeof deleteRecords>
export type DeleteRecordsResponseInput = ResponseInput<typeof deleteRecords>
