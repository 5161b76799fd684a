// Owns the shapes of what a node believes about the cluster. Data only; nothing here changes after it was made.
export interface PartitionImage {
  readonly partition: number
  /** Node id; -1 when nobody leads. */
  readonly leader: number
  readonly leaderEpoch: number
  /** Raised by every change of the partition, also those that keep the leader. */
  readonly partitionEpoch: number
  /** The first is the preferred leader. */
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** Eligible leader replicas (KIP-966): not in sync, but known to have everything committed. */
  readonly elr: readonly number[]
  readonly lastKnownElr: readonly number[]
  /** Log directory ids, one for each replica; may be empty in old logs. */
  readonly directories: readonly string[]
  readonly removing: readonly number[]
  readonly adding: readonly number[]
  /** 0 recovered, 1 recovering from an unclean election. */
  readonly leaderRecoveryState: number
}

export interface TopicImage {
  readonly name: string
  readonly topicId: string
  /** One of the cluster's own topics: clients do not write to it. */
  readonly internal: boolean
  /** Index = partition. */
  readonly partitions: readonly PartitionImage[]
}

export interface ListenerImage {
  readonly name: string
  readonly host: string
  readonly port: number
  /** 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL. */
  readonly securityProtocol: number
}

export interface SupportedFeatureImage {
  readonly name: string
  readonly minSupportedVersion: number
  readonly maxSupportedVersion: number
}

export interface BrokerImage {
  readonly nodeId: number
  /** Drawn anew each time the broker's process starts. */
  readonly incarnationId: string
  /** Offset of the record that registered it. */
  readonly brokerEpoch: bigint
  readonly listeners: readonly ListenerImage[]
  readonly rack: string | null
  readonly fenced: boolean
  readonly inControlledShutdown: boolean
  readonly features: readonly SupportedFeatureImage[]
  readonly directories: readonly string[]
  readonly cordonedDirectories: readonly string[]
}

export interface ControllerImage {
  readonly nodeId: number
  readonly incarnationId: string
  readonly zkMigrationReady: boolean
  readonly listeners: readonly ListenerImage[]
  readonly features: readonly SupportedFeatureImage[]
}

/** A voter of the metadata quorum, as control records of kraft.version 1 name it (KIP-853). */
export interface VoterImage {
  readonly voterId: number
  readonly voterDirectoryId: string
  readonly endpoints: readonly { readonly name: string; readonly host: string; readonly port: number }[]
  readonly kRaftVersionFeature: { readonly minSupportedVersion: number; readonly maxSupportedVersion: number }
}

/** What control records say about the quorum. */
export interface QuorumImage {
  readonly kraftVersion: number
  /** Null under kraft.version 0: the voters are a setting then. */
  readonly voters: readonly VoterImage[] | null
}

export const NO_LEADER = -1

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
])

export function isInternalTopic(name: string): boolean {
  return INTERNAL_TOPICS.has(name)
}
