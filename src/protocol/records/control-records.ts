// Owns control records: end-of-transaction markers and KRaft's leader change, snapshot and voter records.
//   key: i16 version = 0, i16 type
//   marker value: i16 version = 0, i32 coordinatorEpoch; other values: a flexible message whose first field repeats its version
import { decodeMessage, encodeMessage, encodeWith } from '../codec.ts'
import { KafkaError } from '../kafka-error.ts'
import { array, int16, int32, int64, message, string, struct, uint16, uuid } from '../schema/notation.ts'
import type { Decoded, Fields, Input, Message } from '../schema/notation.ts'
import { Reader } from '../schema/reader.ts'

const voter = {
  voterId: int32(),
  voterDirectoryId: uuid({ since: 1 }),
}

const endTransactionMarker = { coordinatorEpoch: int32() }

const marker = (name: string) => message({ name, versions: [0, 0], flexible: null, fields: endTransactionMarker })

export const controlRecordSchemas = {
  /** Ends a transaction: its records are void. */
  Abort: marker('Abort'),
  /** Ends a transaction: its records count. */
  Commit: marker('Commit'),
  /** First record a new KRaft leader writes; directory ids since v1 (KIP-853). */
  LeaderChange: message({
    name: 'LeaderChange',
    versions: [0, 1],
    flexible: 0,
    fields: {
      version: int16(),
      leaderId: int32(),
      voters: array(struct(voter)),
      grantingVoters: array(struct(voter)),
    },
  }),
  /** First record of a snapshot (KIP-630). */
  SnapshotHeader: message({
    name: 'SnapshotHeader',
    versions: [0, 0],
    flexible: 0,
    fields: { version: int16(), lastContainedLogTimestamp: int64() },
  }),
  /** Last record of a snapshot; one without it is incomplete. */
  SnapshotFooter: message({ name: 'SnapshotFooter', versions: [0, 0], flexible: 0, fields: { version: int16() } }),
  /** Level of kraft.version (KIP-853). */
  KRaftVersion: message({
    name: 'KRaftVersion',
    versions: [0, 0],
    flexible: 0,
    fields: { version: int16(), kRaftVersion: int16() },
  }),
  /** The set of voters with their endpoints (KIP-853). */
  KRaftVoters: message({
    name: 'KRaftVoters',
    versions: [0, 0],
    flexible: 0,
    fields: {
      version: int16(),
      voters: array(
        struct({
          voterId: int32(),
          voterDirectoryId: uuid(),
          endpoints: array(struct({ name: string(), host: string(), port: uint16() })),
          kRaftVersionFeature: struct({ minSupportedVersion: int16(), maxSupportedVersion: int16() }),
        }),
      ),
    },
  }),
} as const

type Schemas = typeof controlRecordSchemas
export type ControlRecordType = keyof Schemas

/** Position in this list = number on disk. */
const TYPES: readonly ControlRecordType[] = [
  'Abort',
  'Commit',
  'LeaderChange',
  'SnapshotHeader',
  'SnapshotFooter',
  'KRaftVersion',
  'KRaftVoters',
]

export type ControlRecord =
  | { [T in ControlRecordType]: { readonly type: T } & Decoded<Schemas[T]['fields']> }[ControlRecordType]
  | { readonly type: 'Unknown'; readonly id: number }

export type ControlRecordInput = {
  [T in ControlRecordType]: { readonly type: T } & Input<Schemas[T]['fields']>
}[ControlRecordType]

const KEY_VERSION = 0

function isMarker(type: ControlRecordType): boolean {
  return type === 'Abort' || type === 'Commit'
}

/** Key and value for a record of a control batch. */
export function encodeControlRecord(record: ControlRecordInput): { readonly key: Buffer; readonly value: Buffer } {
  const schema: Message<Fields> = controlRecordSchemas[record.type]
  const key = encodeWith(writer => {
    writer.int16(KEY_VERSION)
    writer.int16(TYPES.indexOf(record.type))
  })
  const version = 'version' in record ? (record.version ?? 0) : 0
  const body = encodeMessage(schema, version, record)
  if (!isMarker(record.type)) return { key, value: body }
  const prefix = Buffer.alloc(2)
  return { key, value: Buffer.concat([prefix, body]) }
}

export function decodeControlRecord(record: {
  readonly key: Buffer | null
  readonly value: Buffer | null
}): ControlRecord {
  if (record.key === null || record.value === null)
    throw new KafkaError('INVALID_RECORD', 'control record without key or value')
  const keyReader = new Reader(record.key)
  const keyVersion = keyReader.int16()
  if (keyVersion < 0) throw new KafkaError('INVALID_RECORD', `control record key version ${keyVersion}`)
  const id = keyReader.int16()
  const type = TYPES[id]
  // New types may appear: a reader passes over what it does not know.
  if (type === undefined) return { type: 'Unknown', id }
  const reader = new Reader(record.value)
  const schema: Message<Fields> = controlRecordSchemas[type]
  const declared = isMarker(type) ? reader.int16() : new Reader(record.value).int16()
  if (declared < 0) throw new KafkaError('INVALID_RECORD', `control record version ${declared}`)
  // Newer versions only append tagged fields, so they are read as the newest known.
  const version = Math.min(declared, schema.versions[1])
  return { type, ...decodeMessage(schema, version, reader) } as unknown as ControlRecord
}
