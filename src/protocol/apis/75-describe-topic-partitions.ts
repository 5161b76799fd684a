// DescribeTopicPartitions: topics page by page, partitions with eligible leader replicas (KIP-966).
import {
  api,
  array,
  bool,
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
import { INT32_MIN } from '../schema/limits.ts'

export const describeTopicPartitions = api({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: [0, 0],
  flexible: 0,
  listeners: ['broker'],
  request: () => ({
    topics: array(
      struct({
        name: string(),
      }),
    ),
    responsePartitionLimit: int32({ default: 2000 }),
    cursor: struct(
      {
        topicName: string(),
        partitionIndex: int32(),
      },
      { nullable: true, default: null },
    ),
  }),
  response: () => ({
    throttleTimeMs: int32({ ignorable: true }),
    topics: array(
      struct({
        errorCode: int16(),
        name: string({ nullable: true }),
        topicId: uuid({ ignorable: true }),
        isInternal: bool({ ignorable: true }),
        partitions: array(
          struct({
            errorCode: int16(),
            partitionIndex: int32(),
            leaderId: int32(),
            leaderEpoch: int32({ default: -1, ignorable: true }),
            replicaNodes: array(int32()),
            isrNodes: array(int32()),
            eligibleLeaderReplicas: array(int32(), { nullable: true, default: null }),
            lastKnownElr: array(int32(), { nullable: true, default: null }),
            offlineReplicas: array(int32(), { ignorable: true }),
          }),
        ),
        topicAuthorizedOperations: int32({ default: INT32_MIN }),
      }),
    ),
    nextCursor: struct(
      {
        topicName: string(),
        partitionIndex: int32(),
      },
      { nullable: true, default: null },
    ),
  }),
})

export type DescribeTopicPartitionsRequest = RequestOf<typeof describeTopicPartitions>
export type DescribeTopicPartitionsRequestInput = RequestInput<typeof describeTopicPartitions>
export type DescribeTopicPartitionsResponse = ResponseOf<typeof describeTopicPartitions>
export type DescribeTopicPartitionsResponseInput = ResponseInput<typeof describeTopicPartitions>
