/** Protocol: Kafka's wire language as data, and codecs made from it.
 *  Owns      API and record schemas, headers, primitives, the error table, v2 record batches.
 *  May touch nothing but node:buffer.
 *  Never     opens a socket or a file, reads the clock, compresses or checksums by itself (callers inject a BatchCodec).
 *  Start at  apis/19-create-topics.ts for the notation, then schema/codec.ts. The notation: docs/formats/wire-notation.md */
export { ApiKey, apiName, type ApiName } from './api-keys.ts'
export * from './apis/index.ts'
export {
  decodeMessage,
  decodeRequest,
  decodeResponse,
  encodeMessage,
  encodeRequest,
  encodeResponse,
  isFlexible,
  supportsVersion,
  writeMessage,
} from './codec.ts'
export { allErrors, ErrorCode, errorNamed, errorOf, type ErrorInfo, type ErrorName } from './error-codes.ts'
export {
  decodeRequestFrame,
  decodeResponseFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  requestHeaderVersion,
  responseHeaderVersion,
  type RequestFrame,
  type RequestHeader,
  type ResponseFrame,
} from './frame.ts'
export { KafkaError } from './kafka-error.ts'
export * from './records/index.ts'
export { defaultsOf, ZERO_UUID } from './schema/codec.ts'
export { INT32_MAX, INT32_MIN, INT64_MAX } from './schema/limits.ts'
export type {
  Api,
  Decoded,
  Field,
  Fields,
  Input,
  ListenerKind,
  Message,
  MessageInput,
  MessageOf,
  RequestInput,
  RequestOf,
  ResponseInput,
  ResponseOf,
} from './schema/notation.ts'
export { Reader } from './schema/reader.ts'
export { EncodeError, WireError, type WireFault } from './schema/wire-error.ts'
export { Writer } from './schema/writer.ts'
