// LeaveGroup (13): members leave, or are removed by an administrator. v3 several at once and by instance id (KIP-345), v5 reason.
import { leaveGroup as leaveGroupApi } from '#protocol'
import type { ApiHandler } from '../request-context.ts'

export const leaveGroup: ApiHandler<typeof leaveGroupApi> = {
  api: leaveGroupApi,
  handle: (request, context) => context.services.groups.leaveGroup(request, context),
}
