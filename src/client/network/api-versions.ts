// Owns the choice of the version in which we speak to one broker. Pure. Never guesses: a broker's range is known or there is none.
// Invariant: a chosen version lies in our range, in the broker's, and in the caller's.
import type { Api } from '#protocol'
import { KafkaError } from './kafka-errors.ts'

export interface VersionRange {
  readonly min: number
  readonly max: number
}

/** Narrows what a caller can use: the meaning of some APIs changes with the version. */
export interface VersionBounds {
  readonly min?: number
  readonly max?: number
}

export class ApiVersionTable {
  readonly #address: string
  readonly #ranges = new Map<number, VersionRange>()

  constructor(
    address: string,
    apiKeys: readonly { readonly apiKey: number; readonly minVersion: number; readonly maxVersion: number }[],
  ) {
    this.#address = address
    for (const { apiKey, minVersion, maxVersion } of apiKeys)
      this.#ranges.set(apiKey, { min: minVersion, max: maxVersion })
  }

  rangeOf(apiKey: number): VersionRange | undefined {
    return this.#ranges.get(apiKey)
  }

  supports(api: Api, bounds: VersionBounds = {}): boolean {
    return this.#highest(api, bounds) !== null
  }

  /** The highest version all sides speak. */
  pick(api: Api, bounds: VersionBounds = {}): number {
    const version = this.#highest(api, bounds)
    if (version !== null) return version
    const range = this.#ranges.get(api.key)
    const theirs = range ? `speaks ${api.name} ${range.min}-${range.max}` : `has no ${api.name}`
    const min = Math.max(api.versions[0], bounds.min ?? 0)
    const max = Math.min(api.versions[1], bounds.max ?? api.versions[1])
    throw new KafkaError(
      'UNSUPPORTED_VERSION',
      `the broker ${this.#address} ${theirs}; this client needs ${min}-${max}`,
    )
  }

  #highest(api: Api, bounds: VersionBounds): number | null {
    const range = this.#ranges.get(api.key)
    if (!range) return null
    const max = Math.min(api.versions[1], range.max, bounds.max ?? range.max)
    const min = Math.max(api.versions[0], range.min, bounds.min ?? range.min)
    return max >= min ? max : null
  }
}
