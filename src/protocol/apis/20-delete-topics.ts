// DeleteTopics: removes topics.
// v4 flexible; v5 error message, may be throttled (KIP-599); v6 by topic id, so names move into `topics` (KIP-516).
import {
  api,
  array,
  int16,
  int32,
  string,
  struct,
  uuid,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const deleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 6],
  flexible: 4,
  listeners: ['broker', 'controller'],
  request: () => ({
    topics: array(
      struct({
        name: string({ nullable: true, default: null }),
        topicId: uuid(),
      }),
      { since: 6 },
    ),
    topicNames: array(string(), { until: 5, ignorable: true }),
    timeoutMs: int32(),
  }),
  response: () => ({
    throttleTimeMs: int32({ ignorable: true }),
    responses: array(
      struct({
        name: string({ nullable: 6 }),
        topicId: uuid({ since: 6, ignorable: true }),
        errorCode: int16(),
        errorMessage: string({ since: 5, nullable: true, default: null, ignorable: true }),
      }),
    ),
  }),
})

export type DeleteTopicsRequest = RequestOf<typeof deleteTopics>
export type DeleteTopicsRequestInput = RequestInput<typeof deleteTopics>
export type DeleteTopicsResponse = ResponseOf<typeof deleteTopics>
export type DeleteTopicsResponseInput = ResponseInput<typeof deleteTopics>
