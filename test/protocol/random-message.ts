// Owns random values for a schema in one version, and their form in Kafka's JSON. Fields the version does not carry keep their defaults.
import type { Field, Fields } from '#protocol'
import { defaultsOf } from '../../src/protocol/schema/codec.ts'
import type { SeededRandom } from './seeded-random.ts'

type Plain = Record<string, unknown>

const ALPHABET = ['a', 'Z', '0', '-', '_', '.', ' ', '"', '\\', '\n', '/', 'é', 'ß', '漢', '€', '🦀']
const INT64_EDGES = [0n, 1n, -1n, 0x7fffffffffffffffn, -0x8000000000000000n, 0x20000000000001n]

export function carried(field: Field, version: number): boolean {
  const { since, until } = field.options
  return version >= (since ?? 0) && version <= (until ?? Number.MAX_SAFE_INTEGER)
}

export function randomMessage(fields: Fields, version: number, random: SeededRandom): Plain {
  const value: Plain = { ...defaultsOf(fields) }
  for (const [name, field] of Object.entries(fields)) {
    if (!carried(field, version)) continue
    // Tagged fields are left out when they hold their default, so that must happen often.
    if (field.options.tag !== undefined && random.chance(3)) continue
    value[name] = randomValue(field, version, random)
  }
  return value
}

function randomValue(field: Field, version: number, random: SeededRandom): unknown {
  const { nullable } = field.options
  const nullableSince = nullable === true ? 0 : nullable
  if (nullableSince !== undefined && version >= nullableSince && random.chance(4)) return null
  switch (field.kind) {
    case 'bool':
      return random.chance(2)
    case 'int8':
      return randomInteger(random, 8)
    case 'int16':
      return randomInteger(random, 16)
    case 'uint16':
      return random.chance(4) ? random.pick([0, 0xffff, 0x8000]) : random.below(0x10000)
    case 'int32':
      return randomInteger(random, 32)
    case 'int64':
      return random.chance(3)
        ? random.pick(INT64_EDGES)
        : BigInt.asIntN(64, (BigInt(random.uint32()) << 32n) | BigInt(random.uint32()))
    case 'float64':
      return random.below(1000) + 0.5
    case 'uuid':
      return random.bytes(16).toString('base64url')
    case 'string':
      return randomString(random)
    case 'bytes':
    case 'records':
      return random.bytes(random.chance(6) ? 100 + random.below(300) : random.below(12))
    case 'array':
      return Array.from({ length: random.chance(20) ? 130 : random.below(4) }, () =>
        randomValue(field.element as Field, version, random),
      ).slice(0, field.element?.kind === 'struct' ? 5 : 130)
    case 'struct':
      return randomMessage(field.fields as Fields, version, random)
    default:
      return field.kind satisfies never
  }
}

function randomInteger(random: SeededRandom, bits: 8 | 16 | 32): number {
  const half = 2 ** (bits - 1)
  if (random.chance(3)) return random.pick([0, 1, -1, half - 1, -half])
  return (random.uint32() % (half * 2)) - half
}

export function randomString(random: SeededRandom): string {
  const length = random.chance(10) ? 120 + random.below(60) : random.below(9)
  let text = ''
  for (let index = 0; index < length; index += 1) text += random.pick(ALPHABET)
  return text
}

/** JSON as Kafka's converters write it, in schema order and without spaces. `withRecords` puts record bytes instead of their size. */
export function kafkaJson(fields: Fields, version: number, value: Plain, withRecords: boolean): string {
  const members: string[] = []
  for (const [name, field] of Object.entries(fields)) {
    if (!carried(field, version)) continue
    const member = value[name]
    if (field.options.tag !== undefined && isDefault(field, member)) continue
    if (field.kind === 'records' && member !== null && !withRecords) {
      members.push(`"${name}SizeInBytes":${(member as Buffer).length}`)
    } else members.push(`${JSON.stringify(name)}:${jsonValue(field, version, member, withRecords)}`)
  }
  return `{${members.join(',')}}`
}

function isDefault(field: Field, member: unknown): boolean {
  const fallback = defaultsOf({ member: field })['member']
  return canonical(member) === canonical(fallback)
}

/** Text that is equal for equal values. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member) => {
    if (typeof member === 'bigint') return `${member}n`
    return member
  })
}

function jsonValue(field: Field, version: number, value: unknown, withRecords: boolean): string {
  if (value === null) return 'null'
  switch (field.kind) {
    case 'bytes':
    case 'records':
      return `"${(value as Buffer).toString('base64')}"`
    case 'array':
      return `[${(value as unknown[]).map(member => jsonValue(field.element as Field, version, member, withRecords)).join(',')}]`
    case 'struct':
      return kafkaJson(field.fields as Fields, version, value as Plain, withRecords)
    case 'string':
    case 'uuid':
      return JSON.stringify(value)
    default:
      return String(value)
  }
}
