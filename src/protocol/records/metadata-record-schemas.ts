// Owns the record types of the metadata log (`__cluster_metadata`), all versions of each. Data only.
// Numbers are the record types on disk; they are not contiguous and are never reused.
import {
  array,
  bool,
  bytes,
  float64,
  int16,
  int32,
  int64,
  int8,
  message,
  string,
  struct,
  uint16,
  uuid,
} from '../schema/notation.ts'

export const metadataRecordSchemas = {
  /** A broker registered and got its epoch; fenced until its first good heartbeat. */
  RegisterBrokerRecord: message({
    name: 'RegisterBrokerRecord',
    id: 0,
    versions: [0, 4],
    flexible: 0,
    fields: {
      brokerId: int32(),
      isMigratingZkBroker: bool({ since: 2 }),
      incarnationId: uuid(),
      brokerEpoch: int64(),
      endPoints: array(
        struct({
          name: string(),
          host: string(),
          port: uint16(),
          securityProtocol: int16(),
        }),
      ),
      features: array(
        struct({
          name: string(),
          minSupportedVersion: int16(),
          maxSupportedVersion: int16(),
        }),
      ),
      rack: string({ nullable: true }),
      fenced: bool({ default: true }),
      inControlledShutdown: bool({ since: 1 }),
      logDirs: array(uuid(), { since: 3, tag: 0 }),
      cordonedLogDirs: array(uuid(), { since: 4, nullable: true, default: null, tag: 1 }),
    },
  }),
  /** A broker was taken out of the cluster. */
  UnregisterBrokerRecord: message({
    name: 'UnregisterBrokerRecord',
    id: 1,
    versions: [0, 0],
    flexible: 0,
    fields: {
      brokerId: int32(),
      brokerEpoch: int64(),
    },
  }),
  /** A topic was created under this id. */
  TopicRecord: message({
    name: 'TopicRecord',
    id: 2,
    versions: [0, 0],
    flexible: 0,
    fields: {
      name: string(),
      topicId: uuid(),
    },
  }),
  /** A partition was created; directories since v1 (KIP-858), eligible leader replicas since v2 (KIP-966). */
  PartitionRecord: message({
    name: 'PartitionRecord',
    id: 3,
    versions: [0, 2],
    flexible: 0,
    fields: {
      partitionId: int32({ default: -1 }),
      topicId: uuid(),
      replicas: array(int32()),
      isr: array(int32()),
      removingReplicas: array(int32()),
      addingReplicas: array(int32()),
      leader: int32({ default: -1 }),
      leaderRecoveryState: int8({ tag: 0 }),
      leaderEpoch: int32({ default: -1 }),
      partitionEpoch: int32({ default: -1 }),
      directories: array(uuid(), { since: 1 }),
      eligibleLeaderReplicas: array(int32(), { since: 2, nullable: true, default: null, tag: 1 }),
      lastKnownElr: array(int32(), { since: 2, nullable: true, default: null, tag: 2 }),
    },
  }),
  /** A setting of a resource got a value; null removes it. */
  ConfigRecord: message({
    name: 'ConfigRecord',
    id: 4,
    versions: [0, 0],
    flexible: 0,
    fields: {
      resourceType: int8(),
      resourceName: string(),
      name: string(),
      value: string({ nullable: true }),
    },
  }),
  /** A partition changed; a field that did not change is null or its default. */
  PartitionChangeRecord: message({
    name: 'PartitionChangeRecord',
    id: 5,
    versions: [0, 2],
    flexible: 0,
    fields: {
      partitionId: int32({ default: -1 }),
      topicId: uuid(),
      isr: array(int32(), { nullable: true, default: null, tag: 0 }),
      leader: int32({ default: -2, tag: 1 }),
      replicas: array(int32(), { nullable: true, default: null, tag: 2 }),
      removingReplicas: array(int32(), { nullable: true, default: null, tag: 3 }),
      addingReplicas: array(int32(), { nullable: true, default: null, tag: 4 }),
      leaderRecoveryState: int8({ default: -1, tag: 5 }),
      directories: array(uuid(), { since: 1, nullable: true, default: null, tag: 8 }),
      eligibleLeaderReplicas: array(int32(), { since: 2, nullable: true, default: null, tag: 6 }),
      lastKnownElr: array(int32(), { since: 2, nullable: true, default: null, tag: 7 }),
    },
  }),
  /** An ACL was added. */
  AccessControlEntryRecord: message({
    name: 'AccessControlEntryRecord',
    id: 18,
    versions: [0, 0],
    flexible: 0,
    fields: {
      id: uuid(),
      resourceType: int8(),
      resourceName: string(),
      patternType: int8(),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    },
  }),
  /** A broker was fenced: it leads nothing and is in no in-sync set. */
  FenceBrokerRecord: message({
    name: 'FenceBrokerRecord',
    id: 7,
    versions: [0, 0],
    flexible: 0,
    fields: {
      id: int32(),
      epoch: int64(),
    },
  }),
  /** A broker was unfenced. */
  UnfenceBrokerRecord: message({
    name: 'UnfenceBrokerRecord',
    id: 8,
    versions: [0, 0],
    flexible: 0,
    fields: {
      id: int32(),
      epoch: int64(),
    },
  }),
  /** A topic was deleted with all its partitions. */
  RemoveTopicRecord: message({
    name: 'RemoveTopicRecord',
    id: 9,
    versions: [0, 0],
    flexible: 0,
    fields: {
      topicId: uuid(),
    },
  }),
  /** A delegation token was made or renewed (KIP-900). */
  DelegationTokenRecord: message({
    name: 'DelegationTokenRecord',
    id: 10,
    versions: [0, 0],
    flexible: 0,
    fields: {
      owner: string(),
      requester: string(),
      renewers: array(string()),
      issueTimestamp: int64(),
      maxTimestamp: int64(),
      expirationTimestamp: int64(),
      tokenId: string(),
    },
  }),
  /** A SCRAM credential was set (KIP-900). */
  UserScramCredentialRecord: message({
    name: 'UserScramCredentialRecord',
    id: 11,
    versions: [0, 0],
    flexible: 0,
    fields: {
      name: string(),
      mechanism: int8(),
      salt: bytes(),
      storedKey: bytes(),
      serverKey: bytes(),
      iterations: int32(),
    },
  }),
  /** A feature was finalised at this level; 0 removes it. */
  FeatureLevelRecord: message({
    name: 'FeatureLevelRecord',
    id: 12,
    versions: [0, 0],
    flexible: 0,
    fields: {
      name: string(),
      featureLevel: int16(),
    },
  }),
  /** A quota of an entity was set or removed. */
  ClientQuotaRecord: message({
    name: 'ClientQuotaRecord',
    id: 14,
    versions: [0, 0],
    flexible: 0,
    fields: {
      entity: array(
        struct({
          entityType: string(),
          entityName: string({ nullable: true }),
        }),
      ),
      key: string(),
      value: float64(),
      remove: bool(),
    },
  }),
  /** A block of producer ids was given away; `nextProducerId` is the first free one. */
  ProducerIdsRecord: message({
    name: 'ProducerIdsRecord',
    id: 15,
    versions: [0, 0],
    flexible: 0,
    fields: {
      brokerId: int32(),
      brokerEpoch: int64({ default: -1n }),
      nextProducerId: int64(),
    },
  }),
  /** An ACL was removed. */
  RemoveAccessControlEntryRecord: message({
    name: 'RemoveAccessControlEntryRecord',
    id: 19,
    versions: [0, 0],
    flexible: 0,
    fields: {
      id: uuid(),
    },
  }),
  /** A delegation token was removed. */
  RemoveDelegationTokenRecord: message({
    name: 'RemoveDelegationTokenRecord',
    id: 26,
    versions: [0, 0],
    flexible: 0,
    fields: {
      tokenId: string(),
    },
  }),
  /** A SCRAM credential was removed. */
  RemoveUserScramCredentialRecord: message({
    name: 'RemoveUserScramCredentialRecord',
    id: 22,
    versions: [0, 0],
    flexible: 0,
    fields: {
      name: string(),
      mechanism: int8(),
    },
  }),
  /** Parts of a registration changed: 0 means unchanged. */
  BrokerRegistrationChangeRecord: message({
    name: 'BrokerRegistrationChangeRecord',
    id: 17,
    versions: [0, 3],
    flexible: 0,
    fields: {
      brokerId: int32(),
      brokerEpoch: int64(),
      fenced: int8({ tag: 0 }),
      inControlledShutdown: int8({ since: 1, tag: 1 }),
      logDirs: array(uuid(), { since: 2, tag: 2 }),
      cordonedLogDirs: array(uuid(), { since: 3, nullable: true, default: null, tag: 3 }),
    },
  }),
  /** Keeps the high watermark moving (KIP-835); readers skip it. */
  NoOpRecord: message({
    name: 'NoOpRecord',
    id: 20,
    versions: [0, 0],
    flexible: 0,
    fields: {},
  }),
  /** State of a migration from ZooKeeper; only old logs hold it. */
  ZkMigrationStateRecord: message({
    name: 'ZkMigrationStateRecord',
    id: 21,
    versions: [0, 0],
    flexible: 0,
    fields: {
      zkMigrationState: int8(),
    },
  }),
  /** Records up to the matching end or abort take effect together (KIP-868). */
  BeginTransactionRecord: message({
    name: 'BeginTransactionRecord',
    id: 23,
    versions: [0, 0],
    flexible: 0,
    fields: {
      name: string({ nullable: true, default: null, tag: 0 }),
    },
  }),
  /** The records since the begin take effect. */
  EndTransactionRecord: message({
    name: 'EndTransactionRecord',
    id: 24,
    versions: [0, 0],
    flexible: 0,
    fields: {},
  }),
  /** The records since the begin are void. */
  AbortTransactionRecord: message({
    name: 'AbortTransactionRecord',
    id: 25,
    versions: [0, 0],
    flexible: 0,
    fields: {
      reason: string({ nullable: true, default: null, tag: 0 }),
    },
  }),
  /** A controller registered (KIP-919). */
  RegisterControllerRecord: message({
    name: 'RegisterControllerRecord',
    id: 27,
    versions: [0, 0],
    flexible: 0,
    fields: {
      controllerId: int32(),
      incarnationId: uuid(),
      zkMigrationReady: bool(),
      endPoints: array(
        struct({
          name: string(),
          host: string(),
          port: uint16(),
          securityProtocol: int16(),
        }),
      ),
      features: array(
        struct({
          name: string(),
          minSupportedVersion: int16(),
          maxSupportedVersion: int16(),
        }),
      ),
    },
  }),
  /** Eligible leader replicas of one topic, or of all when the name is empty, are cleared (KIP-966). */
  ClearElrRecord: message({
    name: 'ClearElrRecord',
    id: 28,
    versions: [0, 0],
    flexible: 0,
    fields: {
      topicName: string(),
    },
  }),
} as const
