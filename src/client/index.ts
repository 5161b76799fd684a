/** Client: producer, consumer and admin for any Kafka cluster.
 *  Owns      connections, the picture of the cluster, batching, fetching, group membership.
 *  May touch protocol, host, and of native only the batch codec.
 *  Never     knows a broker's insides, ends the process, or keeps it alive after close().
 *  Start at  producer/producer.ts, consumer/consumer.ts, admin/admin.ts; all stand on network/cluster.ts.
 *  Brokers   Kafka 3.0 and later (FindCoordinator 4, OffsetFetch 8). */
export {
  Admin,
  type AdminCallOptions,
  type AdminOptions,
  type Outcome,
  type ValidatedCallOptions,
} from './admin/admin.ts'
export type { BrokerDescription, ClusterDescription } from './admin/cluster-description.ts'
export type {
  ConfigChange,
  ConfigEntry,
  ConfigResource,
  ConfigResourceTypeName,
  ConfigSource,
  DescribeConfigsOptions,
  DescribedConfigs,
} from './admin/configs.ts'
export type { GroupDescription, GroupListing, GroupMember, ListGroupsFilter } from './admin/groups.ts'
export type { DeletedRecords, ListedOffset, OffsetQuery, RecordsToDelete } from './admin/offsets.ts'
export type {
  CreatedTopic,
  NewPartitions,
  NewTopic,
  PartitionDescription,
  TopicDescription,
  TopicListing,
} from './admin/topics.ts'
export type { ClientOptions } from './client-options.ts'
export { Consumer, type PartitionPosition, type ReadOptions } from './consumer/consumer.ts'
export type { ConsumerOptions } from './consumer/consumer-options.ts'
export type { ConsumerRecord } from './consumer/fetched-records.ts'
export type { CommittedOffset, OffsetToCommit } from './consumer/group-session.ts'
export type { Assignment, OffsetSpec, ResetPolicy, TopicPartition } from './consumer/offset-spec.ts'
export { type BrokerAddress, formatAddress, parseBootstrapServers } from './network/bootstrap-servers.ts'
export { UnknownTopicError } from './network/cluster.ts'
export { ClientClosedError, ConnectionError, KafkaError, UnreachableError } from './network/kafka-errors.ts'
export type { IsolationLevel, OffsetAt } from './network/offset-lookup.ts'
export { Producer, SendError } from './producer/producer.ts'
export type { Acks, ProducerOptions } from './producer/producer-options.ts'
export type { Bytes, ProducerRecord, RecordHeader, RecordMetadata } from './producer/record.ts'
export type { SendResult } from './producer/ticket.ts'
export { softwareVersion } from './network/software.ts'
