// Owns encoding and decoding of whole messages: requests, responses and standalone messages, in either direction.
// Never reads headers (frame.ts does). Invariant: a version outside an API's range is refused, never guessed.
import { KafkaError } from './kafka-error.ts'
import { structCodec } from './schema/codec.ts'
import type {
  Api,
  Fields,
  Message,
  MessageInput,
  MessageOf,
  RequestInput,
  RequestOf,
  ResponseInput,
  ResponseOf,
} from './schema/notation.ts'
import { Reader } from './schema/reader.ts'
import { EncodeError, WireError } from './schema/wire-error.ts'
import { Writer } from './schema/writer.ts'

type Plain = Record<string, unknown>

/** Encoding is synchronous and never re-enters, so one writer serves every message. */
const shared = new Writer()
let sharedIsBusy = false

/** Runs `body` on an empty writer and returns what it wrote. */
export function encodeWith(body: (writer: Writer) => void): Buffer {
  const writer = sharedIsBusy ? new Writer() : shared
  const mine = writer === shared
  if (mine) sharedIsBusy = true
  try {
    writer.reset()
    body(writer)
    return writer.take()
  } finally {
    if (mine) sharedIsBusy = false
  }
}

interface Versioned {
  readonly name: string
  readonly versions: readonly [number, number]
  readonly flexible: number | null
}

export function supportsVersion(described: Versioned, version: number): boolean {
  return version >= described.versions[0] && version <= described.versions[1]
}

export function isFlexible(described: Versioned, version: number): boolean {
  return described.flexible !== null && version >= described.flexible
}

function checkVersion(described: Versioned, version: number): void {
  if (!supportsVersion(described, version)) {
    const [min, max] = described.versions
    throw new KafkaError(
      'UNSUPPORTED_VERSION',
      `${described.name} v${version} is outside the supported range ${min}-${max}`,
    )
  }
}

function asReader(bytes: Reader | Buffer): Reader {
  return bytes instanceof Reader ? bytes : new Reader(bytes)
}

function writeBody(described: Versioned, fields: Fields, version: number, value: unknown, writer: Writer): void {
  checkVersion(described, version)
  const codec = structCodec(fields, version, described.flexible)
  try {
    codec.write(writer, value as Plain)
  } catch (error) {
    throw new EncodeError(`${described.name} v${version}`, error)
  }
}

function readBody(described: Versioned, fields: Fields, version: number, bytes: Reader | Buffer): unknown {
  checkVersion(described, version)
  const codec = structCodec(fields, version, described.flexible)
  try {
    return codec.read(asReader(bytes))
  } catch (error) {
    throw error instanceof WireError ? error.of(`${described.name} v${version}`) : error
  }
}

export function writeRequest<A extends Api>(api: A, version: number, request: RequestInput<A>, writer: Writer): void {
  writeBody(api, api.request, version, request, writer)
}

export function writeResponse<A extends Api>(
  api: A,
  version: number,
  response: ResponseInput<A>,
  writer: Writer,
): void {
  writeBody(api, api.response, version, response, writer)
}

export function encodeRequest<A extends Api>(api: A, version: number, request: RequestInput<A>): Buffer {
  return encodeWith(writer => writeRequest(api, version, request, writer))
}

export function encodeResponse<A extends Api>(api: A, version: number, response: ResponseInput<A>): Buffer {
  return encodeWith(writer => writeResponse(api, version, response, writer))
}

/** Bytes fields of the result are views of the given buffer. */
export function decodeRequest<A extends Api>(api: A, version: number, body: Reader | Buffer): RequestOf<A> {
  return readBody(api, api.request, version, body) as RequestOf<A>
}

export function decodeResponse<A extends Api>(api: A, version: number, body: Reader | Buffer): ResponseOf<A> {
  return readBody(api, api.response, version, body) as ResponseOf<A>
}

export function writeMessage<M extends Message>(
  described: M,
  version: number,
  value: MessageInput<M>,
  writer: Writer,
): void {
  writeBody(described, described.fields, version, value, writer)
}

export function encodeMessage<M extends Message>(described: M, version: number, value: MessageInput<M>): Buffer {
  return encodeWith(writer => writeMessage(described, version, value, writer))
}

export function decodeMessage<M extends Message>(described: M, version: number, bytes: Reader | Buffer): MessageOf<M> {
  return readBody(described, described.fields, version, bytes) as MessageOf<M>
}
