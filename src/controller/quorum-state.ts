// Owns the file `quorum-state` of the metadata log's directory: JSON, in Kafka's data version 0 (the voters are a setting) or, under
// kraft.version 1, data version 1 (the voters are in the log).
// It repeats what the log says: each epoch begins with a leader change record, so a lost write of this file loses nothing.

export interface QuorumState {
  readonly leaderId: number
  readonly leaderEpoch: number
  /** Null where the file does not list them (data version 1). */
  readonly voters: readonly number[] | null
}

export const QUORUM_STATE_FILE = 'quorum-state'

/** Nobody was voted for: the only voter needs no vote. Both values are what Kafka writes then. */
const NO_VOTE = { votedId: -1, votedDirectoryId: 'AAAAAAAAAAAAAAAAAAAAAA' } as const

/** Null when there is nothing to be read from it. */
export function parseQuorumState(text: string): QuorumState | null {
  try {
    const { leaderId, leaderEpoch, currentVoters } = JSON.parse(text) as Record<string, unknown>
    if (!Number.isInteger(leaderId) || !Number.isInteger(leaderEpoch)) return null
    const voters = Array.isArray(currentVoters) ? currentVoters.map(voter => Number(voter?.voterId)) : null
    return { leaderId: leaderId as number, leaderEpoch: leaderEpoch as number, voters }
  } catch {
    return null
  }
}

export function formatQuorumState(
  { leaderId, leaderEpoch }: Pick<QuorumState, 'leaderId' | 'leaderEpoch'>,
  kraftVersion: number,
): string {
  return JSON.stringify(
    kraftVersion === 0
      ? {
          clusterId: '',
          leaderId,
          leaderEpoch,
          votedId: NO_VOTE.votedId,
          appliedOffset: 0,
          currentVoters: [{ voterId: leaderId }],
          data_version: 0,
        }
      : { leaderId, leaderEpoch, ...NO_VOTE, data_version: 1 },
  )
}
