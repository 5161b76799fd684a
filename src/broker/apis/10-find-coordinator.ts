// FindCoordinator (10): which broker owns a group. v1 key types, v4 several keys at once. The internal topic is created
// before the answer goes out, so that no client ever starts with an error it has to wait away.
import {
  ErrorCode,
  errorOf,
  type FindCoordinatorRequest,
  findCoordinator as findCoordinatorApi,
  KafkaError,
} from '#protocol'
import { type Endpoint, endpointOf, NO_NODE } from '../endpoints.ts'
import type { ApiHandler, RequestContext } from '../request-context.ts'
import { GROUP_TOPIC } from '../topic-names.ts'

const KEY_TYPE_GROUP = 0
const KEY_TYPE_TRANSACTION = 1
const KEY_TYPE_SHARE = 2
const BATCHED_VERSION = 4
const SHARE_VERSION = 6

interface Found {
  readonly errorCode: number
  readonly node: Endpoint
}

export const findCoordinator: ApiHandler<typeof findCoordinatorApi> = {
  api: findCoordinatorApi,

  async handle(request, context) {
    if (context.apiVersion < BATCHED_VERSION) {
      const { errorCode, node } = await find(request.keyType, request.key, context)
      // Kafka names the error also when there is none: "NONE".
      return { ...address(node), errorCode, errorMessage: errorOf(errorCode).message ?? errorOf(errorCode).name }
    }
    const coordinators = []
    for (const key of request.coordinatorKeys) {
      const { errorCode, node } = await find(request.keyType, key, context)
      coordinators.push({ key, errorCode, errorMessage: '', ...address(node) })
    }
    return { coordinators }
  },

  failed(request: FindCoordinatorRequest, error, context) {
    const failure = { errorCode: error.errorCode, errorMessage: error.message, ...address(NO_NODE) }
    if (context.apiVersion < BATCHED_VERSION) return failure
    return { coordinators: request.coordinatorKeys.map(key => ({ key, ...failure })) }
  },
}

function address({ nodeId, host, port }: Endpoint): { nodeId: number; host: string; port: number } {
  return { nodeId, host, port }
}

async function find(keyType: number, key: string, context: RequestContext): Promise<Found> {
  switch (keyType) {
    case KEY_TYPE_GROUP:
      return findGroup(key, context)
    case KEY_TYPE_TRANSACTION:
      // No transaction coordinator runs here yet: what Kafka says while its own is not available.
      return { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, node: NO_NODE }
    case KEY_TYPE_SHARE:
      if (context.apiVersion < SHARE_VERSION) return { errorCode: ErrorCode.INVALID_REQUEST, node: NO_NODE }
      return { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, node: NO_NODE }
    default:
      throw new KafkaError('INVALID_REQUEST', `Unknown coordinator type id ${keyType}`)
  }
}

async function findGroup(groupId: string, context: RequestContext): Promise<Found> {
  const { services } = context
  await services.autoCreate.ensureGroupTopic(context)
  const image = services.image()
  const topic = image.topics.byName(GROUP_TOPIC)
  const partition = topic?.partitions[services.groups.partitionFor(groupId)]
  const leader = partition === undefined ? undefined : image.brokers.get(partition.leader)
  const node = leader === undefined || leader.fenced ? null : endpointOf(leader, context.listenerName)
  if (node === null) return { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE, node: NO_NODE }
  return { errorCode: ErrorCode.NONE, node }
}
