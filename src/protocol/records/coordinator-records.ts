// Owns the records of `__consumer_offsets` that the classic group protocol writes, in Kafka's format:
//   key   i16 record type (0 and 1 offset commit, 2 group metadata), then the key fields
//   value i16 version, then the value fields; a null value (tombstone) removes what the key names
import { decodeMessage, encodeWith, writeMessage } from '../codec.ts'
import { KafkaError } from '../kafka-error.ts'
import { array, bytes, int32, int64, message, string, struct, uuid } from '../schema/notation.ts'
import type { Decoded, Fields, Input, Message } from '../schema/notation.ts'
import { Reader } from '../schema/reader.ts'

const keyVersions = [0, 0] as const

export const offsetCommitKeySchema = message({
  name: 'OffsetCommitKey',
  versions: keyVersions,
  flexible: null,
  fields: { group: string(), topic: string(), partition: int32() },
})

/** Leader epoch since v3 (KIP-320), topic id since v4; v1 alone carries an explicit expiry. */
export const offsetCommitValueSchema = message({
  name: 'OffsetCommitValue',
  versions: [0, 4],
  flexible: 4,
  fields: {
    offset: int64(),
    leaderEpoch: int32({ since: 3, default: -1, ignorable: true }),
    metadata: string(),
    commitTimestamp: int64(),
    expireTimestamp: int64({ since: 1, until: 1, default: -1n, ignorable: true }),
    topicId: uuid({ since: 4, tag: 0, ignorable: true }),
  },
})

export const groupMetadataKeySchema = message({
  name: 'GroupMetadataKey',
  versions: keyVersions,
  flexible: null,
  fields: { group: string() },
})

/** State timestamp since v2 (KIP-211), static members since v3 (KIP-345). */
export const groupMetadataValueSchema = message({
  name: 'GroupMetadataValue',
  versions: [0, 4],
  flexible: 4,
  fields: {
    protocolType: string(),
    generation: int32(),
    protocol: string({ nullable: true }),
    leader: string({ nullable: true }),
    currentStateTimestamp: int64({ since: 2, default: -1n, ignorable: true }),
    members: array(
      struct({
        memberId: string(),
        groupInstanceId: string({ since: 3, nullable: true, default: null, ignorable: true }),
        clientId: string(),
        clientHost: string(),
        rebalanceTimeout: int32({ since: 1, default: -1, ignorable: true }),
        sessionTimeout: int32(),
        subscription: bytes(),
        assignment: bytes(),
      }),
    ),
  },
})

export type OffsetCommitKey = Decoded<typeof offsetCommitKeySchema.fields>
export type OffsetCommitValue = Decoded<typeof offsetCommitValueSchema.fields>
export type OffsetCommitValueInput = Input<typeof offsetCommitValueSchema.fields>
export type GroupMetadataKey = Decoded<typeof groupMetadataKeySchema.fields>
export type GroupMetadataValue = Decoded<typeof groupMetadataValueSchema.fields>
export type GroupMetadataValueInput = Input<typeof groupMetadataValueSchema.fields>

export interface KeyCodec<Key> {
  readonly id: number
  encode(key: Key): Buffer
}

export interface ValueCodec<Value, ValueInput> {
  /** `version` defaults to the one Kafka 4.3 writes. */
  encode(value: ValueInput, version?: number): Buffer
  decode(value: Buffer): Value & { readonly version: number }
}

function prefixed(prefix: number, described: Message<Fields>, version: number, value: object): Buffer {
  return encodeWith(writer => {
    writer.int16(prefix)
    writeMessage(described, version, value as Input<Fields>, writer)
  })
}

function keyCodec<F extends Fields>(id: number, described: Message<F>): KeyCodec<Decoded<F>> {
  return { id, encode: key => prefixed(id, described, 0, key) }
}

function valueCodec<F extends Fields>(
  described: Message<F>,
  versionFor: (value: Input<F>) => number,
): ValueCodec<Decoded<F>, Input<F>> {
  return {
    encode: (value, version = versionFor(value)) => prefixed(version, described, version, value),
    decode: bytes => {
      const reader = new Reader(bytes)
      const version = reader.int16()
      return { version, ...(decodeMessage(described, version, reader) as Decoded<F>) }
    },
  }
}

export const offsetCommitKey = keyCodec(1, offsetCommitKeySchema)
export const groupMetadataKey = keyCodec(2, groupMetadataKeySchema)
export const offsetCommitValue = valueCodec(offsetCommitValueSchema, value =>
  (value.expireTimestamp ?? -1n) === -1n ? 4 : 1,
)
export const groupMetadataValue = valueCodec(groupMetadataValueSchema, () => 3)

export type CoordinatorKey =
  | ({ readonly type: 'OffsetCommit' } & OffsetCommitKey)
  | ({ readonly type: 'GroupMetadata' } & GroupMetadataKey)
  | { readonly type: 'Unknown'; readonly id: number }

/** Which record this is. Types of other coordinators and of the future come back as Unknown, to be passed over. */
export function decodeCoordinatorKey(key: Buffer): CoordinatorKey {
  const reader = new Reader(key)
  const id = reader.int16()
  if (id < 0) throw new KafkaError('INVALID_RECORD', `coordinator record type ${id}`)
  switch (id) {
    case 0: // written before Kafka 0.9; same fields as type 1
    case 1:
      return { type: 'OffsetCommit', ...decodeMessage(offsetCommitKeySchema, 0, reader) }
    case 2:
      return { type: 'GroupMetadata', ...decodeMessage(groupMetadataKeySchema, 0, reader) }
    default:
      return { type: 'Unknown', id }
  }
}
