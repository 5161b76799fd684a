// ApiVersions: which APIs and versions are served; the first request of a connection.
// v3 flexible body, client name and version, features (KIP-511, KIP-584), while the response header stays v0; v4
// features may start at level 0 (KAFKA-17011). A version too new is answered in layout 0 with UNSUPPORTED_VERSION and
// the range of this API.
import {
  api,
  array,
  bool,
  int16,
  int32,
  int64,
  string,
  struct,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from '../schema/notation.ts'

export const apiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 4],
  flexible: 3,
  listeners: ['broker', 'controller'],
  request: () => ({
    clientSoftwareName: string({ since: 3, ignorable: true }),
    clientSoftwareVersion: string({ since: 3, ignorable: true }),
  }),
  response: () => ({
    errorCode: int16(),
    apiKeys: array(
      struct({
        apiKey: int16(),
        minVersion: int16(),
        maxVersion: int16(),
      }),
    ),
    throttleTimeMs: int32({ since: 1, ignorable: true }),
    supportedFeatures: array(
      struct({
        name: string(),
        minVersion: int16(),
        maxVersion: int16(),
      }),
      { since: 3, tag: 0, ignorable: true },
    ),
    finalizedFeaturesEpoch: int64({ since: 3, default: -1n, tag: 1, ignorable: true }),
    finalizedFeatures: array(
      struct({
        name: string(),
        maxVersionLevel: int16(),
        minVersionLevel: int16(),
      }),
      { since: 3, tag: 2, ignorable: true },
    ),
    zkMigrationReady: bool({ since: 3, tag: 3, ignorable: true }),
  }),
})

export type ApiVersionsRequest = RequestOf<typeof apiVersions>
export type ApiVersionsRequestInput = RequestInput<typeof apiVersions>
export type ApiVersionsResponse = ResponseOf<typeof apiVersions>
export type ApiVersionsResponseInput = ResponseInput<typeof apiVersions>
