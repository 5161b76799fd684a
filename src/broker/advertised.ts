// Owns what this broker says it can do: the API versions. Invariant: nothing is advertised that does not work.
import type { ApiVersionRange } from '#native'
import { type Api, fetch, listOffsets, produce } from '#protocol'
import { handlers } from './apis/index.ts'

/** Answered by the native core. */
const NATIVE_APIS: readonly Api[] = [produce as Api, fetch as Api, listOffsets as Api]

function allApis(): readonly Api[] {
  return [...NATIVE_APIS, ...[...handlers.values()].map(({ api }) => api)].sort((left, right) => left.key - right.key)
}

/** What ApiVersions says. Produce claims to begin at 0: old librdkafka compares exact versions (librdkafka 4956). */
export function advertisedVersions(): readonly ApiVersionRange[] {
  return allApis().map(api => ({ apiKey: api.key, min: api.advertisedMin ?? api.versions[0], max: api.versions[1] }))
}

/** What is really served; the core closes connections that ask for anything else. */
export function servedVersions(): readonly ApiVersionRange[] {
  return allApis().map(api => ({ apiKey: api.key, min: api.versions[0], max: api.versions[1] }))
}
