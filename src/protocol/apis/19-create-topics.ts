// CreateTopics: makes topics with a partition count or an explicit assignment.
// v4 -1 stands for the broker's default (KIP-464); v5 flexible, returns settings (KIP-525); v6 may be throttled
// (KIP-599); v7 returns the topic id (KIP-516).
import {
  api,
  array,
  bool,
  int16,
  int32,
  int8,
  string,
  struct,
  uuid,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const createTopics = api({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexible: 5,
  listeners: ['broker', 'controller'],
  request: () => ({
    topics: array(
      struct({
        name: string(),
        numPartitions: int32(),
        replicationFactor: int16(),
        assignments: array(
          struct({
            partitionIndex: int32(),
            brokerIds: array(int32()),
          }),
        ),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: true }),
          }),
        ),
      }),
    ),
    timeoutMs: int32({ default: 60000 }),
    validateOnly: bool(),
  }),
  response: () => ({
    throttleTimeMs: int32({ ignorable: true }),
    topics: array(
      struct({
        name: string(),
        topicId: uuid({ since: 7, ignorable: true }),
        errorCode: int16(),
        errorMessage: string({ nullable: true, ignorable: true }),
        topicConfigErrorCode: int16({ since: 5, tag: 0, ignorable: true }),
        numPartitions: int32({ since: 5, default: -1, ignorable: true }),
        replicationFactor: int16({ since: 5, default: -1, ignorable: true }),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: true }),
            readOnly: bool(),
            configSource: int8({ default: -1, ignorable: true }),
            isSensitive: bool(),
          }),
          { since: 5, nullable: true, ignorable: true },
        ),
      }),
    ),
  }),
})

export type CreateTopicsRequest = RequestOf<typeof createTopics>
export type CreateTopicsRequestInput = RequestInput<typeof createTopics>
export type CreateTopicsResponse = ResponseOf<typeof createTopics>
export type CreateTopicsResponseInput = ResponseInput<typeof createTopics>
