// IncrementalAlterConfigs (44): decided by the controller. Answered when this node has seen the result, so that it holds for the next request.
import { incrementalAlterConfigs as incrementalAlterConfigsApi } from '#protocol'
import type { ApiHandler } from '../request-context.ts'

export const incrementalAlterConfigs: ApiHandler<typeof incrementalAlterConfigsApi> = {
  api: incrementalAlterConfigsApi,
  handle: (request, context) =>
    context.services.forward(incrementalAlterConfigsApi, context.apiVersion, request, context),
}
