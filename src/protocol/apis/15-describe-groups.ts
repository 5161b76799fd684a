// DescribeGroups: state and members of classic groups.
// v3 authorised operations (KIP-430); v4 static members (KIP-345); v5 flexible; v6 an unknown group is an error, not
// state Dead (KIP-1043).
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
import { INT32_MIN } from '../schema/limits.ts'

export const describeGroups = api({
  key: 15,
  name: 'DescribeGroups',
  versions: [0, 6],
  flexible: 5,
  listeners: ['broker'],
  request: () => ({
    groups: array(string()),
    includeAuthorizedOperations: bool({ since: 3 }),
  }),
  response: () => ({
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    groups: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ since: 6, nullable: true, default: null }),
        groupId: string(),
        groupState: string(),
        protocolType: string(),
        protocolData: string(),
        members: array(
          struct({
            memberId: string(),
            groupInstanceId: string({ since: 4, nullable: true, default: null, ignorable: true }),
            clientId: string(),
            clientHost: string(),
            memberMetadata: bytes(),
            memberAssignment: bytes(),
          }),
        ),
        authorizedOperations: int32({ since: 3, default: INT32_MIN }),
      }),
    ),
  }),
})

export type DescribeGroupsRequest = RequestOf<typeof describeGroups>
export type DescribeGroupsRequestInput = RequestInput<typeof describeGroups>
export type DescribeGroupsResponse = ResponseOf<typeof describeGroups>
export type DescribeGroupsResponseInput = ResponseInput<typeof describeGroups>
