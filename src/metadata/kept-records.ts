// Owns which records the image keeps without acting on them, and what each of them is about.
// Invariant: of two kept records with the same key the later one replaces the earlier, as it would in Kafka.
import { AssertionError } from '#host'
import type { MetadataRecord } from '#protocol'

export interface KeptRecordKey {
  readonly key: string
  /** The record says that what it is about is gone. */
  readonly removes: boolean
}

export function keptRecordKey(record: MetadataRecord): KeptRecordKey {
  switch (record.type) {
    case 'AccessControlEntryRecord':
      return { key: `acl ${record.id}`, removes: false }
    case 'RemoveAccessControlEntryRecord':
      return { key: `acl ${record.id}`, removes: true }
    case 'UserScramCredentialRecord':
      return { key: `scram ${record.mechanism} ${record.name}`, removes: false }
    case 'RemoveUserScramCredentialRecord':
      return { key: `scram ${record.mechanism} ${record.name}`, removes: true }
    case 'DelegationTokenRecord':
      return { key: `token ${record.tokenId}`, removes: false }
    case 'RemoveDelegationTokenRecord':
      return { key: `token ${record.tokenId}`, removes: true }
    case 'ClientQuotaRecord': {
      const entity = record.entity.toSorted((a, b) => (a.entityType < b.entityType ? -1 : 1))
      const names = entity.map(part => [part.entityType, part.entityName])
      return { key: `quota ${JSON.stringify([record.key, ...names])}`, removes: record.remove }
    }
    default:
      throw new AssertionError(`${record.type} is not a record that is only kept`)
  }
}
