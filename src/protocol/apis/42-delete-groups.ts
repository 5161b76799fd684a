// DeleteGroups: removes empty groups with their offsets (KIP-229). v2 flexible.
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

export const deleteGroups = api({
  key: 42,
  name: 'DeleteGroups',
  versions: [0, 2],
  flexible: 2,
  listeners: ['broker'],
  request: () => ({
    groupsNames: array(string()),
  }),
  response: () => ({
    throttleTimeMs: int32(),
    results: array(
      struct({
        groupId: string(),
        errorCode: int16(),
      }),
    ),
  }),
})

export type DeleteGroupsRequest = RequestOf<typeof deleteGroups>
export type DeleteGroupsRequestInput = RequestInput<typeof deleteGroups>
export type DeleteGroupsResponse = ResponseOf<typeof deleteGroups>
export type DeleteGroupsResponseInput = ResponseInput<typeof deleteGroups>
