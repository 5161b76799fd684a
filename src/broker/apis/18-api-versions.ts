// ApiVersions (18): what this broker speaks. v3 client software name and version, features; up to v3 features whose minimum
// is 0 are left out (older clients refuse them). A version we do not know is answered by the router, in the v0 layout.
import { apiVersions as apiVersionsApi, ErrorCode, KafkaError } from '#protocol'
import { supportedFeatures } from '../features.ts'
import type { ApiHandler } from '../request-context.ts'

const SOFTWARE_VERSION = 3
/** From this version on a client accepts a feature with minimum 0 (KAFKA-17011). */
const ZERO_MINIMUM_VERSION = 4
const SOFTWARE_WORD = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

export const apiVersions: ApiHandler<typeof apiVersionsApi> = {
  api: apiVersionsApi,

  handle(request, { apiVersion, services }) {
    const named = SOFTWARE_WORD.test(request.clientSoftwareName) && SOFTWARE_WORD.test(request.clientSoftwareVersion)
    if (apiVersion >= SOFTWARE_VERSION && !named) {
      throw new KafkaError('INVALID_REQUEST', 'client software name and version are words of letters, digits, - and .')
    }
    const image = services.image()
    return {
      errorCode: ErrorCode.NONE,
      apiKeys: services.apiVersions.map(({ apiKey, min, max }) => ({ apiKey, minVersion: min, maxVersion: max })),
      supportedFeatures: supportedFeatures.filter(
        feature => feature.minVersion > 0 || apiVersion >= ZERO_MINIMUM_VERSION,
      ),
      finalizedFeaturesEpoch: image.offset,
      finalizedFeatures: Array.from(image.features)
        .filter(([name, level]) => level > 0 && supportedFeatures.some(feature => feature.name === name))
        .map(([name, level]) => ({ name, minVersionLevel: level, maxVersionLevel: level })),
    }
  },
}
