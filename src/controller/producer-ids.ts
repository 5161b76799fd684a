// Owns the blocks of producer ids. Invariant: an id is in one block, ever; blocks are given away in rising order.
import type { MetadataImage } from '#metadata'
import {
  type AllocateProducerIdsRequest,
  type AllocateProducerIdsResponse,
  ErrorCode,
  INT64_MAX,
  KafkaError,
} from '#protocol'
import { registeredBroker } from './brokers.ts'
import type { ControllerResult } from './controller-result.ts'

export const PRODUCER_ID_BLOCK_LENGTH = 1000

export function allocateProducerIds(
  image: MetadataImage,
  { brokerId, brokerEpoch }: AllocateProducerIdsRequest,
): ControllerResult<AllocateProducerIdsResponse> {
  registeredBroker(image, brokerId, brokerEpoch)
  const producerIdStart = image.nextProducerId
  const nextProducerId = producerIdStart + BigInt(PRODUCER_ID_BLOCK_LENGTH)
  if (nextProducerId > INT64_MAX) throw new KafkaError('UNKNOWN_SERVER_ERROR', 'Producer ids are used up')
  return {
    records: [{ type: 'ProducerIdsRecord', brokerId, brokerEpoch, nextProducerId }],
    response: {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      producerIdStart,
      producerIdLen: PRODUCER_ID_BLOCK_LENGTH,
    },
  }
}
