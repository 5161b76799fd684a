// Heartbeat (12): keeps a member's session alive; REBALANCE_IN_PROGRESS tells it to join again. v3 static members (KIP-345).
import { heartbeat as heartbeatApi } from '#protocol'
import type { ApiHandler } from '../request-context.ts'

export const heartbeat: ApiHandler<typeof heartbeatApi> = {
  api: heartbeatApi,
  handle: (request, context) => context.services.groups.heartbeat(request, context),
}
