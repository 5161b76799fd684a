// DeleteGroups (42): forgets empty groups with all their offsets.
import { deleteGroups as deleteGroupsApi } from '#protocol'
import { withGroupTopic } from '../group-topic.ts'
import type { ApiHandler } from '../request-context.ts'

export const deleteGroups: ApiHandler<typeof deleteGroupsApi> = {
  api: deleteGroupsApi,
  handle: (request, context) => withGroupTopic(context, () => context.services.groups.deleteGroups(request)),
  failed: (request, { errorCode }) => ({ results: request.groupsNames.map(groupId => ({ groupId, errorCode })) }),
}
