// ListGroups: the groups this broker coordinates.
// v3 flexible; v4 filter by state (KIP-518); v5 filter by type (KIP-848).
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

export const listGroups = api({
  key: 16,
  name: 'ListGroups',
  versions: [0, 5],
  flexible: 3,
  listeners: ['broker'],
  request: () => ({
    statesFilter: array(string(), { since: 4 }),
    typesFilter: array(string(), { since: 5 }),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    errorCode: int16(),
    groups: array(
      struct({
        groupId: string(),
        protocolType: string(),
        groupState: string({ since: 4, ignorable: true }),
        groupType: string({ since: 5, ignorable: true }),
      }),
    ),
  }),
})

export type ListGroupsRequest = RequestOf<typeof listGroups>
export type ListGroupsRequestInput = RequestInput<typeof listGroups>
export type ListGroupsResponse = ResponseOf<typeof listGroups>
export type ListGroupsResponseInput = ResponseInput<typeof listGroups>
