// Owns the making of wrong requests from right ones: where the lengths and counts of an encoded request are, and what to put there.
import { type Api, defaultsOf, encodeRequestFrame, type Field, type Fields, Writer, writeMessage } from '#protocol'
import type { SeededRandom } from '../protocol/seeded-random.ts'

type Plain = Record<string, unknown>
type LengthKind = 'int16' | 'int32' | 'varint'

interface Length {
  readonly at: number
  readonly kind: LengthKind
}

export interface Mutant {
  readonly what: string
  readonly frame: Buffer
}

/** Arrays of two, nothing null, no tagged fields, every number 1 and every string of one letter: small, with every length there is. */
function fullMessage(fields: Fields, version: number): Plain {
  const value: Plain = { ...defaultsOf(fields) }
  for (const [name, { options, ...field }] of Object.entries(fields)) {
    const carried = version >= (options.since ?? 0) && version <= (options.until ?? version)
    if (carried && options.tag === undefined) value[name] = fullValue({ options, ...field } as Field, version)
  }
  return value
}

function fullValue(field: Field, version: number): unknown {
  switch (field.kind) {
    case 'bool':
      return true
    case 'int64':
      return 1n
    case 'uuid':
      return 'abcdefghijklmnopqrstuw'
    case 'string':
      return 'x'
    case 'bytes':
    case 'records':
      return Buffer.from('bytes')
    case 'array':
      return [0, 1].map(() => fullValue(field.element as Field, version))
    case 'struct':
      return fullMessage(field.fields as Fields, version)
    default:
      return 1
  }
}

/** Remembers where it wrote lengths and counts. */
class MarkingWriter extends Writer {
  readonly lengths: Length[] = []

  override unsignedVarint(value: number): void {
    this.lengths.push({ at: this.position, kind: 'varint' })
    super.unsignedVarint(value)
  }

  override string(value: string, compact: boolean): void {
    if (!compact) this.lengths.push({ at: this.position, kind: 'int16' })
    super.string(value, compact)
  }

  override length(length: number, compact: boolean): void {
    if (!compact) this.lengths.push({ at: this.position, kind: 'int32' })
    super.length(length, compact)
  }
}

const header = { correlationId: 1, clientId: 'wire' }

export function validFrame(api: Api, version: number): Buffer {
  return encodeRequestFrame(api, version, header, fullMessage(api.request, version) as never)
}

/** Every length and count of the body, beyond what follows it. */
export function lengthMutants(api: Api, version: number): Mutant[] {
  const frame = validFrame(api, version)
  const writer = new MarkingWriter()
  const message = { name: api.name, versions: api.versions, flexible: api.flexible, fields: api.request }
  writeMessage(message, version, fullMessage(api.request, version), writer)
  const bodyAt = frame.length - writer.position
  return writer.lengths.flatMap(({ at, kind }) => {
    const start = bodyAt + at
    const bytesOld = kind === 'int16' ? 2 : kind === 'int32' ? 4 : 1
    const left = frame.length - start - bytesOld
    return beyond(kind, left).map(([what, bytes]) => ({
      what: `${api.name} v${version}: ${what} at byte ${start}`,
      frame: Buffer.concat([frame.subarray(0, start), bytes, frame.subarray(start + bytesOld)]),
    }))
  })
}

function beyond(kind: LengthKind, left: number): [what: string, bytes: Buffer][] {
  if (kind === 'varint') {
    return [
      ['one more than there is', varint(left + 2)],
      ['the largest varint', Buffer.from('ffffffff0f', 'hex')],
      ['a varint of 2^31', Buffer.from('8080808008', 'hex')],
      ['a varint without an end', Buffer.from('ffffffffffffffffffff', 'hex')],
    ]
  }
  const max = kind === 'int16' ? 0x7fff : 0x7fff_ffff
  return [left + 1, max, -2, -max - 1].map(value => {
    const bytes = Buffer.alloc(kind === 'int16' ? 2 : 4)
    bytes.writeIntBE(value, 0, bytes.length)
    return [`a length of ${value}`, bytes]
  })
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest >= 0x80 ? (rest & 0x7f) | 0x80 : rest)
    if (rest < 0x80) return Buffer.from(bytes)
  }
}

/** The frame cut off inside its body; its size says so, so that it is whole as a frame. */
export function cutMutants(api: Api, version: number, count: number, random: SeededRandom): Mutant[] {
  const frame = validFrame(api, version)
  const writer = new Writer()
  const message = { name: api.name, versions: api.versions, flexible: api.flexible, fields: api.request }
  writeMessage(message, version, fullMessage(api.request, version), writer)
  const bodyAt = frame.length - writer.position
  if (writer.position === 0) return []
  const cuts = new Set(Array.from({ length: count }, () => bodyAt + random.below(writer.position)))
  return [...cuts].map(cut => ({ what: `${api.name} v${version} cut at byte ${cut}`, frame: frame.subarray(0, cut) }))
}

/** A few bytes changed, anywhere behind key and version. */
export function byteMutant(frame: Buffer, random: SeededRandom): Buffer {
  const mutant = Buffer.from(frame)
  for (let count = 0; count <= random.below(4); count += 1) {
    mutant[4 + random.below(mutant.length - 4)] = random.pick([0, 0x7f, 0x80, 0xff, random.below(256)])
  }
  return mutant
}
