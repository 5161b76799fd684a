// DescribeCluster (60): the brokers and the cluster id. v1 endpoint type, v2 fenced brokers.
import { describeCluster as describeClusterApi, ErrorCode } from '#protocol'
import { CLUSTER_OPERATIONS, OPERATIONS_NOT_REQUESTED } from '../authorized-operations.ts'
import { endpointOf } from '../endpoints.ts'
import type { ApiHandler, RequestContext } from '../request-context.ts'

const ENDPOINT_BROKERS = 1
const ENDPOINT_CONTROLLERS = 2

export const describeCluster: ApiHandler<typeof describeClusterApi> = {
  api: describeClusterApi,

  handle(request, context) {
    const { services } = context
    if (request.endpointType === ENDPOINT_CONTROLLERS) {
      return {
        errorCode: ErrorCode.MISMATCHED_ENDPOINT_TYPE,
        errorMessage:
          'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER',
        endpointType: ENDPOINT_BROKERS,
      }
    }
    if (request.endpointType !== ENDPOINT_BROKERS) {
      return {
        errorCode: ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
        errorMessage: `Unsupported endpoint type ${request.endpointType}`,
        endpointType: ENDPOINT_BROKERS,
      }
    }
    const brokers = describedBrokers(context, request.includeFencedBrokers)
    return {
      errorMessage: null,
      clusterId: services.clusterId,
      controllerId: brokers.find(broker => !broker.isFenced)?.brokerId ?? -1,
      brokers,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? CLUSTER_OPERATIONS
        : OPERATIONS_NOT_REQUESTED,
    }
  },
}

interface DescribedBroker {
  readonly brokerId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
  readonly isFenced: boolean
}

function describedBrokers(context: RequestContext, includeFenced: boolean): DescribedBroker[] {
  const described: DescribedBroker[] = []
  for (const broker of context.services.image().brokers.values()) {
    if (broker.fenced && !includeFenced) continue
    const endpoint = endpointOf(broker, context.listenerName)
    if (endpoint === null) continue
    const { nodeId, ...rest } = endpoint
    described.push({ brokerId: nodeId, ...rest, isFenced: broker.fenced })
  }
  return described
}
