// Owns the feature levels this broker can work at. Never finalises one: that is the controller's.
// Invariant: a feature is listed only when its semantics exist here, because clients change their behaviour by it.

import { CARRIED_FEATURES, METADATA_VERSION, METADATA_VERSION_LATEST, METADATA_VERSION_MINIMUM } from '#metadata'

export interface SupportedFeature {
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
}

export const supportedFeatures: readonly SupportedFeature[] = [
  { name: 'kraft.version', minVersion: 0, maxVersion: 1 },
  { name: METADATA_VERSION, minVersion: METADATA_VERSION_MINIMUM, maxVersion: METADATA_VERSION_LATEST },
]

/** With which a broker registers: also levels that are only kept for Apache Kafka, so that they do not keep this broker out. */
export const registeredFeatures: readonly SupportedFeature[] = [
  ...supportedFeatures,
  ...CARRIED_FEATURES.map(({ name, maxLevel }) => ({ name, minVersion: 0, maxVersion: maxLevel })),
]
