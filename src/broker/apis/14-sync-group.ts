// SyncGroup (14): the leader brings the assignments, everyone else waits for them. v3 static members, v5 protocol type and name.
import { syncGroup as syncGroupApi } from '#protocol'
import type { ApiHandler } from '../request-context.ts'

export const syncGroup: ApiHandler<typeof syncGroupApi> = {
  api: syncGroupApi,
  handle: (request, context) => context.services.groups.syncGroup(request, context),
}
