// Owns feature levels: which are finalised in a new cluster, and whether a broker can live under those that are.
// Invariant: a feature is finalised only when what it promises works; clients change their behaviour by it.
import { METADATA_VERSION, METADATA_VERSION_LATEST, type MetadataImage, type SupportedFeatureImage } from '#metadata'
import { KafkaError, type MetadataRecord, type MetadataRecordInput } from '#protocol'

/** The first records of a new cluster: those it was formatted with, which say at least its metadata.version, or our own. */
export function bootstrapRecords(formatted: readonly MetadataRecord[] | null): readonly MetadataRecordInput[] {
  const names = formatted?.map(record => (record.type === 'FeatureLevelRecord' ? record.name : ''))
  if (formatted !== null && names?.includes(METADATA_VERSION)) return formatted
  return [{ type: 'FeatureLevelRecord', name: METADATA_VERSION, featureLevel: METADATA_VERSION_LATEST }]
}

/** Throws UNSUPPORTED_VERSION when a broker with these features does not know a finalised level. */
export function checkFeatureSupport(image: MetadataImage, supported: readonly SupportedFeatureImage[]): void {
  for (const [name, level] of image.features) {
    const range = supported.find(feature => feature.name === name)
    const lowest = range?.minSupportedVersion ?? 0
    const highest = range?.maxSupportedVersion ?? 0
    if (level >= lowest && level <= highest) continue
    throw new KafkaError(
      'UNSUPPORTED_VERSION',
      `Unable to register because the broker does not support finalized version ${level} of ${name}. ` +
        `The broker wants a version between ${lowest} and ${highest}, inclusive.`,
    )
  }
}
