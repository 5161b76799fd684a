// Owns the framing of a metadata record, the value of one record of `__cluster_metadata`:
//   uvarint frameVersion = 1, uvarint type, uvarint version, then the fields in flexible layout.
// Never decides which version a metadata.version calls for: the writer says, the default is the newest.
import { decodeMessage, encodeWith, writeMessage } from '../codec.ts'
import { KafkaError } from '../kafka-error.ts'
import type { Decoded, Fields, Input } from '../schema/notation.ts'
import { Reader } from '../schema/reader.ts'
import { metadataRecordSchemas } from './metadata-record-schemas.ts'

export const METADATA_FRAME_VERSION = 1

type Schemas = typeof metadataRecordSchemas
export type MetadataRecordType = keyof Schemas

/** A decoded record of one type. */
export type MetadataRecordOf<T extends MetadataRecordType> = {
  readonly type: T
  readonly version: number
} & Decoded<Schemas[T]['fields']>

/** Any decoded record; switch on `type`. */
export type MetadataRecord = { [T in MetadataRecordType]: MetadataRecordOf<T> }[MetadataRecordType]

/** A record to write; `version` defaults to the newest, fields to their defaults. */
export type MetadataRecordInput = {
  [T in MetadataRecordType]: { readonly type: T; readonly version?: number | undefined } & Input<Schemas[T]['fields']>
}[MetadataRecordType]

interface Schema {
  readonly name: string
  readonly id: number
  readonly versions: readonly [number, number]
  readonly flexible: number
  readonly fields: Fields
}

let byId: Map<number, Schema> | undefined

function schemaOfId(id: number): Schema | undefined {
  byId ??= new Map(Object.values<Schema>(metadataRecordSchemas).map(schema => [schema.id, schema]))
  return byId.get(id)
}

export function encodeMetadataRecord(record: MetadataRecordInput): Buffer {
  const schema: Schema = metadataRecordSchemas[record.type]
  const version = record.version ?? schema.versions[1]
  return encodeWith(writer => {
    writer.unsignedVarint(METADATA_FRAME_VERSION)
    writer.unsignedVarint(schema.id)
    writer.unsignedVarint(version)
    writeMessage(schema, version, record, writer)
  })
}

export function decodeMetadataRecord(value: Buffer): MetadataRecord {
  const reader = new Reader(value)
  const frameVersion = reader.unsignedVarint()
  if (frameVersion !== METADATA_FRAME_VERSION) {
    throw new KafkaError('UNSUPPORTED_VERSION', `metadata record frame version ${frameVersion}`)
  }
  const id = reader.unsignedVarint()
  const version = reader.unsignedVarint()
  const schema = schemaOfId(id)
  if (schema === undefined) throw new KafkaError('UNSUPPORTED_VERSION', `metadata record type ${id} is unknown`)
  const fields = decodeMessage(schema, version, reader)
  if (reader.remaining !== 0) {
    throw new KafkaError('INVALID_RECORD', `${reader.remaining} bytes after the fields of ${schema.name}`)
  }
  return { type: schema.name, version, ...fields } as unknown as MetadataRecord
}

export const metadataRecords = { encode: encodeMetadataRecord, decode: decodeMetadataRecord } as const
