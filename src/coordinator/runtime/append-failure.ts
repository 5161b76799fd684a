// Owns what a failed append to a coordinator topic means to the client that caused it. Never logs.
import { type ErrorName, KafkaError } from '#protocol'

/**
 * The client knows nothing of the coordinator's own topic: a partition that cannot be written is a coordinator that is not
 * available, a partition that moved is a coordinator that moved. As Apache Kafka maps them.
 */
const SEEN_AS: Partial<Record<ErrorName, ErrorName>> = {
  NETWORK_EXCEPTION: 'COORDINATOR_LOAD_IN_PROGRESS',
  UNKNOWN_TOPIC_OR_PARTITION: 'COORDINATOR_NOT_AVAILABLE',
  NOT_ENOUGH_REPLICAS: 'COORDINATOR_NOT_AVAILABLE',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'COORDINATOR_NOT_AVAILABLE',
  REQUEST_TIMED_OUT: 'COORDINATOR_NOT_AVAILABLE',
  NOT_LEADER_OR_FOLLOWER: 'NOT_COORDINATOR',
  KAFKA_STORAGE_ERROR: 'NOT_COORDINATOR',
  MESSAGE_TOO_LARGE: 'UNKNOWN_SERVER_ERROR',
  RECORD_LIST_TOO_LARGE: 'UNKNOWN_SERVER_ERROR',
  INVALID_FETCH_SIZE: 'UNKNOWN_SERVER_ERROR',
}

export function appendFailure(error: unknown): ErrorName {
  if (!(error instanceof KafkaError)) return 'UNKNOWN_SERVER_ERROR'
  return SEEN_AS[error.code] ?? error.code
}
