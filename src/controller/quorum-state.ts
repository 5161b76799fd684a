// Owns the file `quorum-state` of the metadata log's directory: JSON, Kafka's data version 0 (a fixed set of voters).
// It repeats what the log says: each epoch begins with a leader change record, so a lost write of this file loses nothing.

export interface QuorumState {
  readonly leaderId: number
  readonly leaderEpoch: number
}

export const QUORUM_STATE_FILE = 'quorum-state'

/** Null when there is nothing to be read from it. */
export function parseQuorumState(text: string): QuorumState | null {
  try {
    const { leaderId, leaderEpoch } = JSON.parse(text) as Partial<Record<keyof QuorumState, unknown>>
    if (!Number.isInteger(leaderId) || !Number.isInteger(leaderEpoch)) return null
    return { leaderId: leaderId as number, leaderEpoch: leaderEpoch as number }
  } catch {
    return null
  }
}

export function formatQuorumState({ leaderId, leaderEpoch }: QuorumState): string {
  return JSON.stringify({
    clusterId: '',
    leaderId,
    leaderEpoch,
    votedId: leaderId,
    appliedOffset: 0,
    currentVoters: [{ voterId: leaderId }],
    data_version: 0,
  })
}
