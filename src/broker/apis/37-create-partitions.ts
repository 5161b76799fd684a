// CreatePartitions (37): decided by the controller. Answered when this node has seen the result, so that it holds for the next request.
import { createPartitions as createPartitionsApi } from '#protocol'
import type { ApiHandler } from '../request-context.ts'

export const createPartitions: ApiHandler<typeof createPartitionsApi> = {
  api: createPartitionsApi,
  handle: (request, context) => context.services.forward(createPartitionsApi, context.apiVersion, request, context),
}
