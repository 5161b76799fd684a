// Owns the decoding of the packed event batches the native core hands up. Never calls the addon and keeps no state.
// Invariant: a batch is consumed exactly to its end; anything else means the two sides disagree, and we stop.
//
// One event, little-endian (native/crates/binding writes it):
//
//   u32 bytes that follow | u8 kind | fields of the kind
//   kind 1 Request          u64 token  u32 connection  u16 listener  i16 apiKey  i16 apiVersion  i32 correlationId
//                           u8 n + n bytes peer host (ascii)  u32 n + n bytes frame (from the api key on)
//   kind 2 AppendDone       u64 token  i16 errorCode  i64 baseOffset  i64 lastOffset
//   kind 3 ConnectionClosed u32 connection
//   kind 4 LogDirFailed     u16 index (65535: the data plane itself)  u16 n + n bytes message (utf-8)
import { assert, AssertionError } from '#host'

/** A request the native core does not answer itself. `token` names it in the answer; it may be answered once. */
export interface RequestEvent {
  readonly kind: 'request'
  readonly token: bigint
  readonly connectionId: number
  readonly listenerIndex: number
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly peerHost: string
  /** From the api key on, without the size field. A view into the event batch: copy what must outlive the request. */
  readonly frame: Buffer
}

/** An append started by the control plane has been written, and synced if that was asked. */
export interface AppendDoneEvent {
  readonly kind: 'appendDone'
  readonly token: bigint
  readonly errorCode: number
  readonly baseOffset: bigint
  readonly lastOffset: bigint
}

export interface ConnectionClosedEvent {
  readonly kind: 'connectionClosed'
  readonly connectionId: number
}

export interface LogDirFailedEvent {
  readonly kind: 'logDirFailed'
  /** Null: not one directory but the data plane itself cannot go on. */
  readonly logDirIndex: number | null
  readonly message: string
}

export type NativeEvent = RequestEvent | AppendDoneEvent | ConnectionClosedEvent | LogDirFailedEvent

const EVENT_SIZE_BYTES = 4
const KIND_REQUEST = 1
const KIND_APPEND_DONE = 2
const KIND_CONNECTION_CLOSED = 3
const KIND_LOG_DIR_FAILED = 4
const BROKER_INDEX = 0xffff

/** Walks one packed batch, in order. */
export function* decodeEvents(batch: Buffer): Generator<NativeEvent> {
  let position = 0
  while (position < batch.length) {
    const end = position + EVENT_SIZE_BYTES + batch.readUInt32LE(position)
    assert(end <= batch.length, 'an event ends inside its batch')
    yield decodeEvent(batch.subarray(position + EVENT_SIZE_BYTES, end))
    position = end
  }
}

function decodeEvent(event: Buffer): NativeEvent {
  const kind = event.readUInt8(0)
  switch (kind) {
    case KIND_REQUEST:
      return decodeRequest(event)
    case KIND_APPEND_DONE:
      return {
        kind: 'appendDone',
        token: event.readBigUInt64LE(1),
        errorCode: event.readInt16LE(9),
        baseOffset: event.readBigInt64LE(11),
        lastOffset: event.readBigInt64LE(19),
      }
    case KIND_CONNECTION_CLOSED:
      return { kind: 'connectionClosed', connectionId: event.readUInt32LE(1) }
    case KIND_LOG_DIR_FAILED: {
      const messageBytes = event.readUInt16LE(3)
      const index = event.readUInt16LE(1)
      return {
        kind: 'logDirFailed',
        logDirIndex: index === BROKER_INDEX ? null : index,
        message: event.toString('utf8', 5, 5 + messageBytes),
      }
    }
    default:
      throw new AssertionError(`the native core sent an event of unknown kind ${kind}`)
  }
}

function decodeRequest(event: Buffer): RequestEvent {
  const peerEnd = 24 + event.readUInt8(23)
  const frameStart = peerEnd + 4
  const frameEnd = frameStart + event.readUInt32LE(peerEnd)
  assert(frameEnd === event.length, 'a request event ends with its frame')
  return {
    kind: 'request',
    token: event.readBigUInt64LE(1),
    connectionId: event.readUInt32LE(9),
    listenerIndex: event.readUInt16LE(13),
    apiKey: event.readInt16LE(15),
    apiVersion: event.readInt16LE(17),
    correlationId: event.readInt32LE(19),
    peerHost: event.toString('latin1', 24, peerEnd),
    frame: event.subarray(frameStart, frameEnd),
  }
}
