// InitProducerId: gives a producer its id and epoch, and fences earlier ones of the same transactional id.
// v2 flexible; v3 resume with a known id and epoch (KIP-360); v4 may answer PRODUCER_FENCED (KIP-588); v5
// TRANSACTION_ABORTABLE (KIP-890). v6 (two-phase commit, KIP-939) is unstable in Kafka 4.3 and not described.
import {
  api,
  int16,
  int32,
  int64,
  string,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const initProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 5],
  flexible: 2,
  listeners: ['broker'],
  request: () => ({
    transactionalId: string({ nullable: true }),
    transactionTimeoutMs: int32(),
    producerId: int64({ since: 3, default: -1n }),
    producerEpoch: int16({ since: 3, default: -1 }),
  }),
  response: () => ({
    throttleTimeMs: int32({ ignorable: true }),
    errorCode: int16(),
    producerId: int64({ default: -1n }),
    producerEpoch: int16(),
  }),
})

export type InitProducerIdRequest = RequestOf<typeof initProducerId>
export type InitProducerIdRequestInput = RequestInput<typeof initProducerId>
export type InitProducerIdResponse = ResponseOf<typeof initProducerId>
export type InitProducerIdResponseInput = ResponseInput<typeof initProducerId>
