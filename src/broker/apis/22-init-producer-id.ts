// InitProducerId (22): an id for an idempotent producer. v3 adds the producer's current id and epoch, which only matter
// with a transactional id; v4 adds PRODUCER_FENCED.
import { ErrorCode, initProducerId as initProducerIdApi } from '#protocol'
import type { ApiHandler } from '../request-context.ts'

const NO_PRODUCER_ID = -1n
const NO_PRODUCER_EPOCH = -1

export const initProducerId: ApiHandler<typeof initProducerIdApi> = {
  api: initProducerIdApi,

  async handle(request, { services }) {
    // Either both are given or neither is.
    if ((request.producerId === NO_PRODUCER_ID) !== (request.producerEpoch === NO_PRODUCER_EPOCH)) {
      return refused(ErrorCode.INVALID_REQUEST)
    }
    if (request.transactionalId === '') return refused(ErrorCode.INVALID_REQUEST)
    // No transaction coordinator runs here yet: what Kafka says while its own is not available.
    if (request.transactionalId !== null) return refused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return { errorCode: ErrorCode.NONE, producerId: await services.producerIds.next(), producerEpoch: 0 }
  },

  failed: (_request, error) => refused(error.errorCode),
}

function refused(errorCode: number): { errorCode: number; producerId: bigint; producerEpoch: number } {
  return { errorCode, producerId: NO_PRODUCER_ID, producerEpoch: NO_PRODUCER_EPOCH }
}
