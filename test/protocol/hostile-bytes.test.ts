// Truncated and mutated frames: a typed error or a value, never another error, a hang or an allocation out of proportion.
import { describe, expect, it } from 'vitest'
import {
  apis,
  createTopics,
  decodeMessage,
  decodeRequest,
  decodeRequestFrame,
  encodeMessage,
  KafkaError,
  metadata,
  metadataRecordSchemas,
  Reader,
  WireError,
  type Message,
} from '#protocol'
import { randomMessage } from './random-message.ts'
import { SeededRandom } from './seeded-random.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? 1)
/** Raise it for a long run, with another MILLRACE_SEED. */
const MUTANTS_PER_PAIR = Number(process.env['MILLRACE_MUTANTS'] ?? 30)

const described: readonly Message[] = [
  ...[...apis.values()].flatMap(api => [
    { name: `${api.name}Request`, versions: api.versions, flexible: api.flexible, fields: api.request },
    { name: `${api.name}Response`, versions: api.versions, flexible: api.flexible, fields: api.response },
  ]),
  ...Object.values(metadataRecordSchemas),
]

function forEveryVersion(visit: (each: Message, version: number, random: SeededRandom) => void): void {
  const random = new SeededRandom(SEED)
  for (const each of described) {
    for (let version = each.versions[0]; version <= each.versions[1]; version += 1) visit(each, version, random)
  }
}

/** Decodes and tells whether it worked; anything but a value or a WireError fails the test. */
function decodes(each: Message, version: number, bytes: Buffer): boolean {
  try {
    decodeMessage(each, version, bytes)
    return true
  } catch (error) {
    if (error instanceof WireError) return false
    throw new Error(`${each.name} v${version} seed ${SEED}: ${bytes.toString('hex')}`, { cause: error })
  }
}

const faultOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return error instanceof WireError ? error.fault : error
  }
  return 'no error'
}

describe('hostile bytes', () => {
  it('a message cut at any byte is refused', () => {
    forEveryVersion((each, version, random) => {
      const bytes = encodeMessage(each, version, randomMessage(each.fields, version, random))
      const step = Math.max(1, Math.floor(bytes.length / 60))
      for (let length = 0; length < bytes.length; length += step) {
        expect(decodes(each, version, bytes.subarray(0, length)), `${each.name} v${version} cut at ${length}`).toBe(
          false,
        )
      }
    })
  })

  it('a mutated message is refused with a typed error or read as something else', () => {
    const before = process.memoryUsage().heapUsed
    forEveryVersion((each, version, random) => {
      const bytes = encodeMessage(each, version, randomMessage(each.fields, version, random))
      for (let round = 0; bytes.length > 0 && round < MUTANTS_PER_PAIR; round += 1) {
        const mutant = Buffer.from(bytes)
        for (let count = 0; count <= random.below(4); count += 1) {
          mutant[random.below(mutant.length)] = random.pick([0, 0x7f, 0x80, 0xff, random.below(256)])
        }
        decodes(each, version, mutant)
      }
    })
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(512 * 1024 * 1024)
  })

  it('random bytes as a frame give a header or a typed error', () => {
    const random = new SeededRandom(SEED)
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = random.bytes(random.below(40))
      if (bytes.length > 4) bytes.writeInt16BE(random.below(80), 0)
      try {
        const { api, header, body } = decodeRequestFrame(bytes)
        if (api !== undefined) decodeRequest(api, header.apiVersion, body)
      } catch (error) {
        expect(error).toBeInstanceOf(KafkaError)
      }
    }
  })

  it('names what is wrong and where', () => {
    const request = (hex: string) => () => decodeRequest(createTopics, 7, Buffer.from(hex, 'hex'))
    expect(faultOf(request('ffffffff0f'))).toBe('length')
    expect(faultOf(request('ffffffffff'))).toBe('varint')
    expect(faultOf(request('00'))).toBe('null')
    expect(faultOf(request('0203c328000000000001010100'))).toBe('utf8')
    expect(faultOf(() => decodeRequest(createTopics, 4, Buffer.from('7fffffff', 'hex')))).toBe('length')
    try {
      request('0203c328000000000001010100')()
    } catch (error) {
      expect((error as WireError).path).toBe('topics.name')
      expect((error as WireError).message).toBe('CreateTopics v7 topics.name: string is not UTF-8 [utf8]')
    }
  })

  it('tagged fields must grow and be filled exactly', () => {
    const tagged = (hex: string) => () => decodeRequest(metadata, 12, Buffer.from('00' + '00' + '00' + hex, 'hex'))
    expect(faultOf(tagged('00'))).toBe('no error')
    expect(faultOf(tagged('01' + '05' + '02' + 'abcd'))).toBe('no error')
    expect(faultOf(tagged('02' + '0500' + '0500'))).toBe('tag')
    expect(faultOf(tagged('01' + '05' + '7f' + 'abcd'))).toBe('truncated')
    expect(faultOf(tagged('ffffffff0f'))).toBe('length')
  })

  it('a count that would need more elements than the frame may hold is refused before anything is built', () => {
    const huge = Buffer.alloc(16 * 1024 * 1024, 0)
    huge.writeInt32BE(8 * 1024 * 1024 - 4, 0)
    expect(faultOf(() => decodeRequest(metadata, 1, huge))).toBe('length')
  })

  it('the reader stays inside its range', () => {
    const reader = new Reader(Buffer.alloc(10), 2, 5)
    expect(faultOf(() => reader.int32())).toBe('truncated')
    expect(reader.position).toBe(2)
    expect(() => new Reader(Buffer.alloc(4), 3, 9)).toThrow(RangeError)
  })
})
