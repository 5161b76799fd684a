// Owns the decision whether a metadata log found on disk, perhaps written by Apache Kafka, can be carried on by this node.
// Never reads a file. Invariant: what passes here loses nothing when this node writes on: every record is either acted on or kept.
import { CARRIED_FEATURES, METADATA_VERSION, METADATA_VERSION_LATEST, METADATA_VERSION_MINIMUM } from '#metadata'
import type { StoredMetadata } from './stored-metadata.ts'

/** Why it cannot, as the end of a sentence; null when it can. */
export function faultOfStoredMetadata(stored: StoredMetadata, nodeId: number): string | null {
  return faultOfQuorum(stored, nodeId) ?? faultOfFeatures(stored)
}

function faultOfQuorum({ image, quorumState, leaderVoters }: StoredMetadata, nodeId: number): string | null {
  const voters = image.quorum.voters?.map(({ voterId }) => voterId) ?? quorumState?.voters ?? leaderVoters
  if (voters === null || (voters.length === 1 && voters[0] === nodeId)) return null
  const named = voters.toSorted((a, b) => a - b).join(', ')
  return voters.length === 1
    ? `its metadata quorum is node ${named}, and this is node ${nodeId}`
    : `its metadata quorum has the voters ${named}; a quorum of more than one voter is not supported`
}

function faultOfFeatures({ image, bootstrap }: StoredMetadata): string | null {
  const levels = new Map(image.features)
  for (const record of levels.size === 0 ? (bootstrap ?? []) : []) {
    if (record.type === 'FeatureLevelRecord') levels.set(record.name, record.featureLevel)
  }
  for (const [name, level] of levels) {
    if (name === METADATA_VERSION) {
      if (level > METADATA_VERSION_LATEST) {
        return `its metadata.version is ${level}, newer than ${METADATA_VERSION_LATEST}, the newest known here`
      }
      if (level < METADATA_VERSION_MINIMUM) {
        return `its metadata.version is ${level}, older than ${METADATA_VERSION_MINIMUM} (3.3); upgrade it with Apache Kafka`
      }
      continue
    }
    const known = CARRIED_FEATURES.find(feature => feature.name === name)
    if (known === undefined) return `its feature ${name} (level ${level}) is not known here`
    if (level > known.maxLevel) {
      return `its feature ${name} is at level ${level}, newer than ${known.maxLevel}, the newest known here`
    }
  }
  return null
}
