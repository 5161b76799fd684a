// Owns turning a fields literal into an encoder and a decoder for one version. Built on first use and kept.
// Never interprets a value. Invariant: what a version does not carry decodes to the default and encodes only if it is the default,
// unless the field is ignorable.
import { KafkaError } from '../kafka-error.ts'
import type { Field, Fields, FieldOptions } from './notation.ts'
import type { Reader } from './reader.ts'
import { EncodeError, WireError } from './wire-error.ts'
import type { Writer } from './writer.ts'

type Plain = Record<string, unknown>
type Read = (reader: Reader) => unknown
type Write = (writer: Writer, value: never) => void

export interface StructCodec {
  read(reader: Reader): Plain
  write(writer: Writer, value: Plain): void
  /** Fewest bytes an encoded value can have; bounds hostile counts. */
  readonly bytesMin: number
}

interface ValueCodec {
  readonly read: Read
  readonly write: Write
  readonly bytesMin: number
}

interface PlannedField extends ValueCodec {
  readonly name: string
  readonly tag: number
  readonly fallback: unknown
  readonly isDefault: (value: unknown) => boolean
}

export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'
const EMPTY_ARRAY: readonly never[] = Object.freeze([])
const EMPTY_BYTES = Buffer.alloc(0)

const cache = new WeakMap<Fields, Map<number, StructCodec>>()

/** Codec of `fields` in `version`; versions from `flexible` on use compact lengths and tagged fields. */
export function structCodec(fields: Fields, version: number, flexible: number | null): StructCodec {
  let versions = cache.get(fields)
  if (versions === undefined) cache.set(fields, (versions = new Map()))
  let codec = versions.get(version)
  if (codec === undefined) {
    versions.set(version, (codec = compileStruct(fields, version, flexible !== null && version >= flexible)))
  }
  return codec
}

const defaults = new WeakMap<Fields, Plain>()

/** A struct in which every field has its default. Shared and frozen. */
export function defaultsOf(fields: Fields): Plain {
  let value = defaults.get(fields)
  if (value === undefined) {
    value = {}
    for (const [name, field] of Object.entries(fields)) value[name] = defaultOf(field)
    defaults.set(fields, Object.freeze(value))
  }
  return value
}

function defaultOf(field: Field): unknown {
  if (field.options.default !== undefined) return field.options.default
  switch (field.kind) {
    case 'bool':
      return false
    case 'int8':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'float64':
      return 0
    case 'int64':
      return 0n
    case 'uuid':
      return ZERO_UUID
    case 'string':
      return ''
    case 'bytes':
      return EMPTY_BYTES
    case 'records':
      return field.options.nullable === undefined ? EMPTY_BYTES : null
    case 'array':
      return EMPTY_ARRAY
    case 'struct':
      return defaultsOf(field.fields as Fields)
    default:
      return field.kind satisfies never
  }
}

function isDefaultOf(field: Field): (value: unknown) => boolean {
  const fallback = defaultOf(field)
  switch (field.kind) {
    case 'bytes':
    case 'records':
    case 'array':
      return fallback === null
        ? value => value === null
        : value => value !== null && (value as { length: number }).length === 0
    case 'struct': {
      if (fallback === null) return value => value === null
      const members = Object.entries(field.fields as Fields).map(([name, member]) => ({
        name,
        isDefault: isDefaultOf(member),
      }))
      return value =>
        value !== null &&
        members.every(member => {
          const inner = (value as Plain)[member.name]
          return inner === undefined || member.isDefault(inner)
        })
    }
    default:
      return value => value === fallback
  }
}

function carries(options: FieldOptions<unknown>, version: number): boolean {
  return version >= (options.since ?? 0) && version <= (options.until ?? Number.MAX_SAFE_INTEGER)
}

function compileStruct(fields: Fields, version: number, flexible: boolean): StructCodec {
  const template: Plain = { ...defaultsOf(fields) }
  const inline: PlannedField[] = []
  const tagged: PlannedField[] = []
  const absent: { name: string; isDefault: (value: unknown) => boolean }[] = []
  for (const [name, field] of Object.entries(fields)) {
    if (!carries(field.options, version)) {
      if (field.options.ignorable !== true) absent.push({ name, isDefault: isDefaultOf(field) })
      continue
    }
    const tag = flexible ? (field.options.tag ?? -1) : -1
    const planned = {
      name,
      tag,
      fallback: defaultOf(field),
      isDefault: isDefaultOf(field),
      ...valueCodec(field, version, flexible),
    }
    if (tag >= 0) tagged.push(planned)
    else inline.push(planned)
  }
  tagged.sort((left, right) => left.tag - right.tag)
  const bytesMin = inline.reduce((sum, field) => sum + field.bytesMin, flexible ? 1 : 0)

  function read(reader: Reader): Plain {
    const value = { ...template }
    let at = ''
    try {
      for (let index = 0; index < inline.length; index += 1) {
        const field = inline[index] as PlannedField
        at = field.name
        value[at] = field.read(reader)
      }
      if (flexible) {
        at = 'tags'
        readTagged(reader, tagged, value)
      }
    } catch (error) {
      throw error instanceof WireError ? error.within(at) : error
    }
    return value
  }

  function write(writer: Writer, value: Plain): void {
    let at = ''
    try {
      for (let index = 0; index < inline.length; index += 1) {
        const field = inline[index] as PlannedField
        at = field.name
        const member = value[at]
        field.write(writer, (member === undefined ? field.fallback : member) as never)
      }
      for (let index = 0; index < absent.length; index += 1) {
        const field = absent[index] as (typeof absent)[number]
        at = field.name
        const member = value[at]
        if (member !== undefined && !field.isDefault(member)) {
          throw new KafkaError('UNSUPPORTED_VERSION', `version ${version} cannot carry this field`)
        }
      }
      if (flexible) {
        at = 'tags'
        writeTagged(writer, tagged, value)
      }
    } catch (error) {
      throw new EncodeError(at, error)
    }
  }

  return { read, write, bytesMin }
}

/** Known tags are decoded, unknown ones skipped (KIP-482); tags must grow and each body must be used up exactly. */
function readTagged(reader: Reader, tagged: readonly PlannedField[], value: Plain): void {
  const count = reader.unsignedVarint()
  if (count * 2 > reader.remaining) throw new WireError('length', `${count} tagged fields`)
  let last = -1
  for (let index = 0; index < count; index += 1) {
    const tag = reader.unsignedVarint()
    if (tag <= last) throw new WireError('tag', `tag ${tag} after tag ${last}`)
    last = tag
    const size = reader.unsignedVarint()
    const end = reader.position + size
    if (size > reader.remaining) throw new WireError('truncated', `tagged field of ${size} bytes`)
    const field = tagged.find(candidate => candidate.tag === tag)
    if (field === undefined) {
      reader.advance(size)
      continue
    }
    value[field.name] = field.read(reader)
    if (reader.position !== end) throw new WireError('tag', `${field.name} does not fill its ${size} bytes`)
  }
}

function writeTagged(writer: Writer, tagged: readonly PlannedField[], value: Plain): void {
  if (tagged.length === 0) {
    writer.unsignedVarint(0)
    return
  }
  const present = tagged.filter(field => {
    const member = value[field.name]
    return member !== undefined && !field.isDefault(member)
  })
  writer.unsignedVarint(present.length)
  for (const field of present) {
    writer.unsignedVarint(field.tag)
    writer.sized(() => field.write(writer, value[field.name] as never))
  }
}

const FIXED = {
  bool: { read: r => r.bool(), write: (w: Writer, v: boolean) => w.bool(v), bytesMin: 1 },
  int8: { read: r => r.int8(), write: (w: Writer, v: number) => w.int8(v), bytesMin: 1 },
  int16: { read: r => r.int16(), write: (w: Writer, v: number) => w.int16(v), bytesMin: 2 },
  uint16: { read: r => r.uint16(), write: (w: Writer, v: number) => w.uint16(v), bytesMin: 2 },
  int32: { read: r => r.int32(), write: (w: Writer, v: number) => w.int32(v), bytesMin: 4 },
  int64: { read: r => r.int64(), write: (w: Writer, v: bigint) => w.int64(v), bytesMin: 8 },
  float64: { read: r => r.float64(), write: (w: Writer, v: number) => w.float64(v), bytesMin: 8 },
  uuid: { read: r => r.uuid(), write: (w: Writer, v: string) => w.uuid(v), bytesMin: 16 },
} satisfies Record<string, ValueCodec>

function valueCodec(field: Field, version: number, flexible: boolean): ValueCodec {
  const nullableSince = field.options.nullable === true ? 0 : field.options.nullable
  const nullable = nullableSince !== undefined && version >= nullableSince
  switch (field.kind) {
    case 'string':
      return stringCodec(flexible, nullable)
    case 'bytes':
    case 'records':
      return bytesCodec(flexible, nullable)
    case 'array':
      return arrayCodec(field.element as Field, version, flexible, nullable)
    case 'struct':
      return nestedCodec(field.fields as Fields, version, flexible, nullable)
    default:
      return FIXED[field.kind]
  }
}

function refuseNull(): never {
  throw new KafkaError('UNSUPPORTED_VERSION', 'this version cannot carry null')
}

function stringCodec(compact: boolean, nullable: boolean): ValueCodec {
  return {
    bytesMin: compact ? 1 : 2,
    read: nullable ? reader => reader.nullableString(compact) : reader => reader.string(compact),
    write: (writer: Writer, value: string | null) => {
      if (value !== null) writer.string(value, compact)
      else if (nullable) writer.nullString(compact)
      else refuseNull()
    },
  }
}

function bytesCodec(compact: boolean, nullable: boolean): ValueCodec {
  return {
    bytesMin: compact ? 1 : 4,
    read: reader => {
      const length = reader.bytesLength(compact)
      if (length >= 0) return reader.view(length)
      if (!nullable) throw new WireError('null', 'null bytes')
      return null
    },
    write: (writer: Writer, value: Uint8Array | null) => {
      if (value !== null) {
        writer.length(value.length, compact)
        writer.raw(value)
      } else if (nullable) writer.length(-1, compact)
      else refuseNull()
    },
  }
}

function arrayCodec(element: Field, version: number, compact: boolean, nullable: boolean): ValueCodec {
  const inner = valueCodec(element, version, compact)
  const innerBytesMin = Math.max(1, inner.bytesMin)
  return {
    bytesMin: compact ? 1 : 4,
    read: reader => {
      const count = reader.arrayCount(compact, innerBytesMin)
      if (count < 0) {
        if (!nullable) throw new WireError('null', 'null array')
        return null
      }
      const values: unknown[] = []
      for (let index = 0; index < count; index += 1) values.push(inner.read(reader))
      return values
    },
    write: (writer: Writer, values: readonly never[] | null) => {
      if (values !== null) {
        writer.length(values.length, compact)
        for (let index = 0; index < values.length; index += 1) inner.write(writer, values[index] as never)
      } else if (nullable) writer.length(-1, compact)
      else refuseNull()
    },
  }
}

/** A nullable struct is preceded by one byte: -1 null, 1 present. */
function nestedCodec(fields: Fields, version: number, flexible: boolean, nullable: boolean): ValueCodec {
  const inner = compileStruct(fields, version, flexible)
  if (!nullable) {
    return {
      bytesMin: inner.bytesMin,
      read: reader => inner.read(reader),
      write: (writer: Writer, value: Plain | null) => (value === null ? refuseNull() : inner.write(writer, value)),
    }
  }
  return {
    bytesMin: 1,
    read: reader => (reader.int8() < 0 ? null : inner.read(reader)),
    write: (writer: Writer, value: Plain | null) => {
      writer.int8(value === null ? -1 : 1)
      if (value !== null) inner.write(writer, value)
    },
  }
}
