// DescribeGroups (15): members, metadata and assignments. v3 authorized operations, v4 static members, v6 an unknown group is
// GROUP_ID_NOT_FOUND instead of a group in state Dead.
import { describeGroups as describeGroupsApi, ErrorCode } from '#protocol'
import { OPERATIONS_NOT_REQUESTED } from '../authorized-operations.ts'
import { withGroupTopic } from '../group-topic.ts'
import type { ApiHandler } from '../request-context.ts'

/** Read, delete, describe, describe configs, alter configs: bit = Kafka's operation code. */
const GROUP_OPERATIONS = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11)

export const describeGroups: ApiHandler<typeof describeGroupsApi> = {
  api: describeGroupsApi,

  handle: (request, context) =>
    withGroupTopic(context, () => {
      const { groups } = context.services.groups.describeGroups(request, context)
      return {
        groups: (groups ?? []).map(group => {
          const isAsked = request.includeAuthorizedOperations && (group.errorCode ?? ErrorCode.NONE) === ErrorCode.NONE
          return { ...group, authorizedOperations: isAsked ? GROUP_OPERATIONS : OPERATIONS_NOT_REQUESTED }
        }),
      }
    }),

  failed: (request, { errorCode }) => ({ groups: request.groups.map(groupId => ({ groupId, errorCode })) }),
}
