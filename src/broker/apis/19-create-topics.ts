// CreateTopics (19): decided by the controller. Answered when this node has seen the result, so that it holds for the next request.
import { createTopics as createTopicsApi } from '#protocol'
import type { ApiHandler } from '../request-context.ts'

export const createTopics: ApiHandler<typeof createTopicsApi> = {
  api: createTopicsApi,
  handle: (request, context) => context.services.forward(createTopicsApi, context.apiVersion, request, context),
}
