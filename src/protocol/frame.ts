// Owns request and response headers, and frames without their size prefix:
//   request  v1: i16 apiKey, i16 apiVersion, i32 correlationId, i16-length clientId (nullable)      body before its flexible version
//   request  v2: the same, then tagged fields                                                       flexible bodies
//   response v0: i32 correlationId                                                                  body before its flexible version
//   response v1: the same, then tagged fields                                                       flexible bodies
// The response header of ApiVersions is v0 in every version, so that a client can read it before it knows the broker (KIP-511).
// Never touches sockets or the size prefix.
import { apiVersions } from './apis/18-api-versions.ts'
import { apiByKey } from './apis/index.ts'
import { decodeResponse, encodeWith, isFlexible, writeRequest, writeResponse } from './codec.ts'
import { ErrorCode } from './error-codes.ts'
import type { Api, RequestInput, ResponseInput, ResponseOf } from './schema/notation.ts'
import { Reader } from './schema/reader.ts'

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  /** A null client id on the wire reads as ''. */
  readonly clientId: string
}

export interface RequestFrame {
  readonly header: RequestHeader
  /** The schema of the key, undefined when it is not described here (the header is then read as v1). */
  readonly api: Api | undefined
  /** Positioned at the first byte of the body. */
  readonly body: Reader
}

export function requestHeaderVersion(api: Api, version: number): 1 | 2 {
  return isFlexible(api, version) ? 2 : 1
}

export function responseHeaderVersion(api: Api, version: number): 0 | 1 {
  return api.key !== apiVersions.key && isFlexible(api, version) ? 1 : 0
}

/** Reads the header only; the version may be one the API does not support (ApiVersions answers those). */
export function decodeRequestFrame(frame: Buffer): RequestFrame {
  const body = new Reader(frame)
  const apiKey = body.int16()
  const apiVersion = body.int16()
  const correlationId = body.int32()
  const clientId = body.nullableString(false) ?? ''
  const api = apiByKey(apiKey)
  if (api !== undefined && requestHeaderVersion(api, apiVersion) === 2) body.skipTaggedFields()
  return { header: { apiKey, apiVersion, correlationId, clientId }, api, body }
}

export function encodeRequestFrame<A extends Api>(
  api: A,
  version: number,
  header: { readonly correlationId: number; readonly clientId: string | null },
  request: RequestInput<A>,
): Buffer {
  return encodeWith(writer => {
    writer.int16(api.key)
    writer.int16(version)
    writer.int32(header.correlationId)
    writer.nullableString(header.clientId, false)
    if (requestHeaderVersion(api, version) === 2) writer.unsignedVarint(0)
    writeRequest(api, version, request, writer)
  })
}

export function encodeResponseFrame<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  response: ResponseInput<A>,
): Buffer {
  return encodeWith(writer => {
    writer.int32(correlationId)
    if (responseHeaderVersion(api, version) === 1) writer.unsignedVarint(0)
    writeResponse(api, version, response, writer)
  })
}

export interface ResponseFrame<A extends Api> {
  readonly correlationId: number
  /** The version the body was read in: 0 when a broker refused the ApiVersions version that was sent. */
  readonly version: number
  readonly response: ResponseOf<A>
}

export function decodeResponseFrame<A extends Api>(api: A, version: number, frame: Buffer): ResponseFrame<A> {
  const reader = new Reader(frame)
  const correlationId = reader.int32()
  if (responseHeaderVersion(api, version) === 1) reader.skipTaggedFields()
  // A broker that does not know our ApiVersions version answers in layout 0; the error code comes first in every layout.
  const isRefusal =
    api.key === apiVersions.key &&
    reader.remaining >= 2 &&
    frame.readInt16BE(reader.position) === ErrorCode.UNSUPPORTED_VERSION
  const bodyVersion = isRefusal ? 0 : version
  return { correlationId, version: bodyVersion, response: decodeResponse(api, bodyVersion, reader) }
}
