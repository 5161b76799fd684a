// Produce: writes record batches, one per partition, and answers where they went.
// v7 allows zstd (KIP-110); v8 names the records that failed (KIP-467); v9 flexible; v10 tells the new leader with
// the error (KIP-951); v11 may answer TRANSACTION_ABORTABLE and v12 adds partitions to the transaction by itself
// (KIP-890); v13 topic ids (KIP-516). 0-2 are gone but advertised: old librdkafka compares exact versions and would
// stop compressing otherwise (KAFKA-18659).
import {
  api,
  array,
  int16,
  int32,
  int64,
  records,
  string,
  struct,
  uuid,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const produce = api({
  key: 0,
  name: 'Produce',
  versions: [3, 13],
  advertisedMin: 0,
  flexible: 9,
  listeners: ['broker'],
  request: () => ({
    transactionalId: string({ nullable: true, default: null }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array(
      struct({
        name: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitionData: array(
          struct({
            index: int32(),
            records: records({ nullable: true }),
          }),
        ),
      }),
    ),
  }),
  response: () => ({
    responses: array(
      struct({
        name: string({ until: 12, ignorable: true }),
        topicId: uuid({ since: 13, ignorable: true }),
        partitionResponses: array(
          struct({
            index: int32(),
            errorCode: int16(),
            baseOffset: int64(),
            logAppendTimeMs: int64({ default: -1n, ignorable: true }),
            logStartOffset: int64({ since: 5, default: -1n, ignorable: true }),
            recordErrors: array(
              struct({
                batchIndex: int32(),
                batchIndexErrorMessage: string({ nullable: true, default: null }),
              }),
              { since: 8, ignorable: true },
            ),
            errorMessage: string({ since: 8, nullable: true, default: null, ignorable: true }),
            currentLeader: struct(
              {
                leaderId: int32({ default: -1 }),
                leaderEpoch: int32({ default: -1 }),
              },
              { since: 10, tag: 0 },
            ),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32({ ignorable: true }),
    nodeEndpoints: array(
      struct({
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullable: true, default: null }),
      }),
      { since: 10, tag: 0 },
    ),
  }),
})

export type ProduceRequest = RequestOf<typeof produce>
export type ProduceRequestInput = RequestInput<typeof produce>
export type ProduceResponse = ResponseOf<typeof produce>
export type ProduceResponseInput = ResponseInput<typeof produce>
