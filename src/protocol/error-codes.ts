// Owns Kafka's error table: number, whether a client may retry, and a sentence of ours. Never throws (kafka-error.ts does).
// Invariant: codes are contiguous from -1 and never change meaning.

type Row = readonly [code: number, retriable: 0 | 1, message: string]

const table = {
  UNKNOWN_SERVER_ERROR: [-1, 0, 'The server failed in a way it did not expect'],
  NONE: [0, 0, 'No error'],
  OFFSET_OUT_OF_RANGE: [1, 0, 'The offset lies outside the log of this partition'],
  CORRUPT_MESSAGE: [2, 1, 'The record batch is damaged: its CRC, size or form is wrong'],
  UNKNOWN_TOPIC_OR_PARTITION: [3, 1, 'This server does not host this topic partition'],
  INVALID_FETCH_SIZE: [4, 0, 'The fetch size is not valid'],
  LEADER_NOT_AVAILABLE: [5, 1, 'The partition has no leader at the moment'],
  NOT_LEADER_OR_FOLLOWER: [6, 1, 'This broker is not the leader, or not a replica, of the partition'],
  REQUEST_TIMED_OUT: [7, 1, 'The request was not completed in time'],
  BROKER_NOT_AVAILABLE: [8, 0, 'The broker is not available'],
  REPLICA_NOT_AVAILABLE: [9, 1, 'The replica of this partition is not available'],
  MESSAGE_TOO_LARGE: [10, 0, 'The record batch is larger than the topic accepts'],
  STALE_CONTROLLER_EPOCH: [11, 0, 'The controller has moved to another node'],
  OFFSET_METADATA_TOO_LARGE: [12, 0, 'The metadata string of the committed offset is too long'],
  NETWORK_EXCEPTION: [13, 1, 'The connection was lost before an answer came'],
  COORDINATOR_LOAD_IN_PROGRESS: [14, 1, 'The coordinator is still loading its state'],
  COORDINATOR_NOT_AVAILABLE: [15, 1, 'The coordinator is not available'],
  NOT_COORDINATOR: [16, 1, 'This broker is not the coordinator asked for'],
  INVALID_TOPIC_EXCEPTION: [17, 0, 'The topic name is not valid, or the topic may not be used this way'],
  RECORD_LIST_TOO_LARGE: [18, 0, 'The record batch is larger than a log segment'],
  NOT_ENOUGH_REPLICAS: [19, 1, 'Fewer replicas are in sync than the topic requires'],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [20, 1, 'The records were written, but to fewer in-sync replicas than required'],
  INVALID_REQUIRED_ACKS: [21, 0, 'acks must be -1, 0 or 1'],
  ILLEGAL_GENERATION: [22, 0, 'The generation is not the current one of the group'],
  INCONSISTENT_GROUP_PROTOCOL: [23, 0, 'The member shares no protocol with the group, or named none'],
  INVALID_GROUP_ID: [24, 0, 'The group id is not valid'],
  UNKNOWN_MEMBER_ID: [25, 0, 'The coordinator does not know this member'],
  INVALID_SESSION_TIMEOUT: [26, 0, 'The session timeout is outside the range the broker allows'],
  REBALANCE_IN_PROGRESS: [27, 0, 'The group is rebalancing; the member must rejoin'],
  INVALID_COMMIT_OFFSET_SIZE: [28, 0, 'The committed offset data is too large'],
  TOPIC_AUTHORIZATION_FAILED: [29, 0, 'Not authorized for this topic'],
  GROUP_AUTHORIZATION_FAILED: [30, 0, 'Not authorized for this group'],
  CLUSTER_AUTHORIZATION_FAILED: [31, 0, 'Not authorized for this operation on the cluster'],
  INVALID_TIMESTAMP: [32, 0, 'A record timestamp is outside the range the topic accepts'],
  UNSUPPORTED_SASL_MECHANISM: [33, 0, 'The SASL mechanism is not enabled here'],
  ILLEGAL_SASL_STATE: [34, 0, 'The request does not fit the state of the SASL exchange'],
  UNSUPPORTED_VERSION: [35, 0, 'This version of the API is not supported'],
  TOPIC_ALREADY_EXISTS: [36, 0, 'A topic of this name exists already'],
  INVALID_PARTITIONS: [37, 0, 'The number of partitions is not valid'],
  INVALID_REPLICATION_FACTOR: [38, 0, 'The replication factor is below 1 or above the number of brokers'],
  INVALID_REPLICA_ASSIGNMENT: [39, 0, 'The replica assignment is not valid'],
  INVALID_CONFIG: [40, 0, 'The configuration is not valid'],
  NOT_CONTROLLER: [41, 1, 'This node is not the active controller'],
  INVALID_REQUEST: [42, 0, 'The request is malformed or contradicts itself'],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: [43, 0, 'The record format does not support the request'],
  POLICY_VIOLATION: [44, 0, 'The request violates a policy of this cluster'],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [45, 0, 'The sequence number does not follow the last one of this producer'],
  DUPLICATE_SEQUENCE_NUMBER: [46, 0, 'The sequence number was written before'],
  INVALID_PRODUCER_EPOCH: [47, 0, 'The producer epoch is older than the current one'],
  INVALID_TXN_STATE: [48, 0, 'The transaction is in a state that does not allow this operation'],
  INVALID_PRODUCER_ID_MAPPING: [49, 0, 'The producer id does not belong to this transactional id'],
  INVALID_TRANSACTION_TIMEOUT: [50, 0, 'The transaction timeout is above the maximum the broker allows'],
  CONCURRENT_TRANSACTIONS: [51, 1, 'Another operation on the same transaction is still in progress'],
  TRANSACTION_COORDINATOR_FENCED: [52, 0, 'The transaction coordinator has been replaced by a newer one'],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [53, 0, 'Not authorized for this transactional id'],
  SECURITY_DISABLED: [54, 0, 'No authorizer is configured'],
  OPERATION_NOT_ATTEMPTED: [55, 0, 'The operation was not tried because another one of its batch failed'],
  KAFKA_STORAGE_ERROR: [56, 1, 'The disk of this log failed'],
  LOG_DIR_NOT_FOUND: [57, 0, 'The log directory is not one of this broker'],
  SASL_AUTHENTICATION_FAILED: [58, 0, 'Authentication failed'],
  UNKNOWN_PRODUCER_ID: [59, 0, 'No state is left for this producer id'],
  REASSIGNMENT_IN_PROGRESS: [60, 0, 'The partition is being reassigned'],
  DELEGATION_TOKEN_AUTH_DISABLED: [61, 0, 'Delegation tokens are not enabled'],
  DELEGATION_TOKEN_NOT_FOUND: [62, 0, 'The delegation token does not exist'],
  DELEGATION_TOKEN_OWNER_MISMATCH: [63, 0, 'The principal is neither owner nor renewer of the token'],
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: [64, 0, 'Delegation tokens cannot be requested over this kind of connection'],
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: [65, 0, 'Not authorized for this delegation token'],
  DELEGATION_TOKEN_EXPIRED: [66, 0, 'The delegation token has expired'],
  INVALID_PRINCIPAL_TYPE: [67, 0, 'The principal type is not supported'],
  NON_EMPTY_GROUP: [68, 0, 'The group still has members'],
  GROUP_ID_NOT_FOUND: [69, 0, 'The group does not exist'],
  FETCH_SESSION_ID_NOT_FOUND: [70, 1, 'The fetch session does not exist'],
  INVALID_FETCH_SESSION_EPOCH: [71, 1, 'The epoch of the fetch session is not the expected one'],
  LISTENER_NOT_FOUND: [72, 1, 'The leader has no listener of the name this request came in by'],
  TOPIC_DELETION_DISABLED: [73, 0, 'Deleting topics is switched off'],
  FENCED_LEADER_EPOCH: [74, 1, 'The leader epoch of the request is older than that of the broker'],
  UNKNOWN_LEADER_EPOCH: [75, 1, 'The leader epoch of the request is newer than that of the broker'],
  UNSUPPORTED_COMPRESSION_TYPE: [76, 0, 'The compression type is not supported in this version'],
  STALE_BROKER_EPOCH: [77, 0, 'The broker epoch is no longer the current one'],
  OFFSET_NOT_AVAILABLE: [78, 1, 'The high watermark of the new leader has not caught up yet'],
  MEMBER_ID_REQUIRED: [79, 0, 'The member must join again with the member id it was given'],
  PREFERRED_LEADER_NOT_AVAILABLE: [80, 1, 'The preferred leader is not available'],
  GROUP_MAX_SIZE_REACHED: [81, 0, 'The group is full'],
  FENCED_INSTANCE_ID: [82, 0, 'Another member has taken over this group instance id'],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: [83, 1, 'No replica is eligible to lead'],
  ELECTION_NOT_NEEDED: [84, 1, 'The partition has the wanted leader already'],
  NO_REASSIGNMENT_IN_PROGRESS: [85, 0, 'The partition is not being reassigned'],
  GROUP_SUBSCRIBED_TO_TOPIC: [86, 0, 'The group is subscribed to the topic, so its offsets cannot be deleted'],
  INVALID_RECORD: [87, 0, 'A record did not pass validation'],
  UNSTABLE_OFFSET_COMMIT: [88, 1, 'Offsets of an open transaction are pending'],
  THROTTLING_QUOTA_EXCEEDED: [89, 1, 'The quota is used up; try again later'],
  PRODUCER_FENCED: [90, 0, 'A newer producer with the same transactional id has taken over'],
  RESOURCE_NOT_FOUND: [91, 0, 'The resource does not exist'],
  DUPLICATE_RESOURCE: [92, 0, 'The request names the same resource twice'],
  UNACCEPTABLE_CREDENTIAL: [93, 0, 'The credential does not meet the requirements'],
  INCONSISTENT_VOTER_SET: [94, 0, 'Sender or receiver is not one of the voters'],
  INVALID_UPDATE_VERSION: [95, 0, 'The feature cannot be set to this level'],
  FEATURE_UPDATE_FAILED: [96, 0, 'The feature levels could not be updated'],
  PRINCIPAL_DESERIALIZATION_FAILURE: [97, 0, 'The forwarded principal could not be read'],
  SNAPSHOT_NOT_FOUND: [98, 0, 'The snapshot does not exist'],
  POSITION_OUT_OF_RANGE: [99, 0, 'The position lies outside the snapshot'],
  UNKNOWN_TOPIC_ID: [100, 1, 'This server does not host a topic of this id'],
  DUPLICATE_BROKER_REGISTRATION: [101, 0, 'A living broker is registered under this id'],
  BROKER_ID_NOT_REGISTERED: [102, 0, 'No broker is registered under this id'],
  INCONSISTENT_TOPIC_ID: [103, 1, 'The topic id does not match that of the log'],
  INCONSISTENT_CLUSTER_ID: [104, 0, 'The cluster id is not that of this cluster'],
  TRANSACTIONAL_ID_NOT_FOUND: [105, 0, 'The transactional id does not exist'],
  FETCH_SESSION_TOPIC_ID_ERROR: [106, 1, 'The fetch session mixes topic names and topic ids'],
  INELIGIBLE_REPLICA: [107, 0, 'The proposed in-sync set holds a replica that may not join it'],
  NEW_LEADER_ELECTED: [108, 0, 'The partition was changed and got a new leader'],
  OFFSET_MOVED_TO_TIERED_STORAGE: [109, 0, 'The offset is in tiered storage'],
  FENCED_MEMBER_EPOCH: [110, 0, 'The member epoch is fenced; the member must give up its partitions and rejoin'],
  UNRELEASED_INSTANCE_ID: [111, 0, 'Another member still uses this instance id'],
  UNSUPPORTED_ASSIGNOR: [112, 0, 'The group does not support the assignor'],
  STALE_MEMBER_EPOCH: [113, 0, 'The member epoch is old; retry after the next heartbeat'],
  MISMATCHED_ENDPOINT_TYPE: [114, 0, 'The request was sent to the wrong kind of endpoint'],
  UNSUPPORTED_ENDPOINT_TYPE: [115, 0, 'This kind of endpoint is not supported'],
  UNKNOWN_CONTROLLER_ID: [116, 0, 'No controller has this id'],
  UNKNOWN_SUBSCRIPTION_ID: [117, 0, 'The telemetry subscription is unknown or outdated'],
  TELEMETRY_TOO_LARGE: [118, 0, 'The telemetry push is larger than the broker accepts'],
  INVALID_REGISTRATION: [119, 0, 'The controller refused the registration of the broker'],
  TRANSACTION_ABORTABLE: [120, 0, 'The transaction failed and can only be aborted'],
  INVALID_RECORD_STATE: [121, 0, 'The record is in a state that does not allow this acknowledgement'],
  SHARE_SESSION_NOT_FOUND: [122, 1, 'The share session does not exist'],
  INVALID_SHARE_SESSION_EPOCH: [123, 1, 'The epoch of the share session is not the expected one'],
  FENCED_STATE_EPOCH: [124, 0, 'The state epoch of the share group is not the current one'],
  INVALID_VOTER_KEY: [125, 0, 'The voter key is not that of the receiver'],
  DUPLICATE_VOTER: [126, 0, 'The voter belongs to the set already'],
  VOTER_NOT_FOUND: [127, 0, 'The voter does not belong to the set'],
  INVALID_REGULAR_EXPRESSION: [128, 0, 'The regular expression is not valid'],
  REBOOTSTRAP_REQUIRED: [129, 0, 'The metadata of the client is stale; it must bootstrap again'],
  STREAMS_INVALID_TOPOLOGY: [130, 0, 'The streams topology is not valid'],
  STREAMS_INVALID_TOPOLOGY_EPOCH: [131, 0, 'The epoch of the streams topology is not valid'],
  STREAMS_TOPOLOGY_FENCED: [132, 0, 'The epoch of the streams topology is outdated'],
  SHARE_SESSION_LIMIT_REACHED: [133, 1, 'The broker holds as many share sessions as it may'],
} as const satisfies Record<string, Row>

export type ErrorName = keyof typeof table

/** Number of each error by name: `ErrorCode.UNKNOWN_TOPIC_OR_PARTITION === 3`. */
export const ErrorCode = Object.fromEntries(Object.entries(table).map(([name, row]) => [name, row[0]])) as {
  readonly [N in ErrorName]: (typeof table)[N][0]
}

export interface ErrorInfo {
  readonly code: number
  readonly name: ErrorName
  readonly retriable: boolean
  readonly message: string
}

const byCode = new Map<number, ErrorName>(
  Object.entries(table).map(([name, row]) => [row[0] as number, name as ErrorName]),
)

/** What is known of an error number; a number Kafka has not assigned counts as UNKNOWN_SERVER_ERROR. */
export function errorOf(code: number): ErrorInfo {
  return errorNamed(byCode.get(code) ?? 'UNKNOWN_SERVER_ERROR')
}

export function errorNamed(name: ErrorName): ErrorInfo {
  const [code, retriable, message] = table[name]
  return { code, name, retriable: retriable === 1, message }
}

/** Every error, in order of its number. */
export function allErrors(): ErrorInfo[] {
  return [...byCode.values()].map(errorNamed)
}
