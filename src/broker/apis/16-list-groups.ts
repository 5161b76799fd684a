// ListGroups (16): the groups this node coordinates. v4 filter by state (KIP-518), v5 filter by type (KIP-848).
import { listGroups as listGroupsApi } from '#protocol'
import type { ApiHandler } from '../request-context.ts'

export const listGroups: ApiHandler<typeof listGroupsApi> = {
  api: listGroupsApi,
  handle: (request, context) => context.services.groups.listGroups(request),
}
