// DeleteTopics (20): decided by the controller. Answered when this node has seen the result, so that it holds for the next request.
import { deleteTopics as deleteTopicsApi } from '#protocol'
import type { ApiHandler } from '../request-context.ts'

export const deleteTopics: ApiHandler<typeof deleteTopicsApi> = {
  api: deleteTopicsApi,
  handle: (request, context) => context.services.forward(deleteTopicsApi, context.apiVersion, request, context),
}
