// JoinGroup (11): a member asks into a group and waits until the group has rebalanced. v1 rebalance timeout, v4 member ids are
// handed out before joining (KIP-394), v5 static members (KIP-345), v7 protocol type, v8 reason, v9 skip assignment.
import { joinGroup as joinGroupApi } from '#protocol'
import { withGroupTopic } from '../group-topic.ts'
import type { ApiHandler } from '../request-context.ts'

/** First version that may say null where there is no protocol; before, it is the empty string. */
const NULLABLE_PROTOCOL_VERSION = 7

export const joinGroup: ApiHandler<typeof joinGroupApi> = {
  api: joinGroupApi,

  handle: (request, context) =>
    withGroupTopic(context, async () => {
      const answer = await context.services.groups.joinGroup(request, context)
      if (context.apiVersion >= NULLABLE_PROTOCOL_VERSION) return answer
      return { ...answer, protocolName: answer.protocolName ?? '' }
    }),

  failed: ({ memberId }, { errorCode }, { apiVersion }) => ({
    errorCode,
    memberId,
    protocolName: apiVersion >= NULLABLE_PROTOCOL_VERSION ? null : '',
  }),
}
