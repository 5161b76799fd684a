// Owns the limits and times the group coordinator works with, all set by broker configuration.

export interface GroupSettings {
  /** group.min.session.timeout.ms */
  readonly sessionTimeoutMsMin: number
  /** group.max.session.timeout.ms */
  readonly sessionTimeoutMsMax: number
  /** group.initial.rebalance.delay.ms */
  readonly initialRebalanceDelayMs: number
  /** group.max.size */
  readonly groupSizeMax: number
  /** offset.metadata.max.bytes */
  readonly offsetMetadataLengthMax: number
  /** offsets.retention.minutes, in milliseconds */
  readonly offsetsRetentionMs: number
  /** offsets.retention.check.interval.ms */
  readonly offsetsRetentionCheckIntervalMs: number
}

/**
 * How long a member that just joined may wait for its first JoinGroup answer. It has no member id yet and cannot heartbeat,
 * and a client that gave up and retries would otherwise leave a defunct member behind with each try.
 */
export const NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60 * 1000

/** Member ids handed out by MEMBER_ID_REQUIRED and not used yet, in one group. Past it: GROUP_MAX_SIZE_REACHED. */
export const PENDING_JOINS_MAX = 10_000

/** Groups of one partition. Past it, a new group is told COORDINATOR_NOT_AVAILABLE. */
export const GROUPS_MAX = 1_000_000

/** A group that could not be logged as empty tries again after this. */
export const EMPTY_GROUP_RETRY_MS = 1000

/** Tombstones written in one append; more are written in further ones. */
export const TOMBSTONES_PER_APPEND = 1000
