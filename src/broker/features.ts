// Owns the feature levels this broker can work at. Never finalises one: that is the controller's.
// Invariant: a feature is listed only when its semantics exist here, because clients change their behaviour by it.

export interface SupportedFeature {
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
}

export const supportedFeatures: readonly SupportedFeature[] = [
  { name: 'kraft.version', minVersion: 0, maxVersion: 1 },
  // 3.3-IV3 to 4.3-IV0.
  { name: 'metadata.version', minVersion: 7, maxVersion: 30 },
]
