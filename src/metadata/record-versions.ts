// Owns which version of a record is written at which metadata.version, so that every node of that level can read it.
import type { MetadataRecordInput } from '#protocol'

export const METADATA_VERSION = 'metadata.version'
/** 4.3-IV0. */
export const METADATA_VERSION_LATEST = 30
/** 3.3-IV3, the first that knows KRaft in production. */
export const METADATA_VERSION_MINIMUM = 7

/** Levels at which records got new fields. */
const STORED_RACK_AND_MIGRATION = 8
const DIRECTORY_ASSIGNMENT = 17
const ELIGIBLE_LEADER_REPLICAS = 23
const CORDONED_DIRECTORIES = 30

/** The version in which a record of this type is written. */
export function recordVersion(type: MetadataRecordInput['type'], metadataVersion: number): number {
  switch (type) {
    case 'RegisterBrokerRecord':
      if (metadataVersion >= CORDONED_DIRECTORIES) return 4
      if (metadataVersion >= DIRECTORY_ASSIGNMENT) return 3
      return metadataVersion >= STORED_RACK_AND_MIGRATION ? 2 : 1
    case 'BrokerRegistrationChangeRecord':
      if (metadataVersion >= CORDONED_DIRECTORIES) return 3
      return metadataVersion >= DIRECTORY_ASSIGNMENT ? 2 : 1
    case 'PartitionRecord':
    case 'PartitionChangeRecord':
      if (metadataVersion >= ELIGIBLE_LEADER_REPLICAS) return 2
      return metadataVersion >= DIRECTORY_ASSIGNMENT ? 1 : 0
    default:
      return 0
  }
}

/** What a log without any FeatureLevelRecord means. */
export function metadataVersionOf(features: ReadonlyMap<string, number>): number {
  return features.get(METADATA_VERSION) ?? METADATA_VERSION_MINIMUM
}
