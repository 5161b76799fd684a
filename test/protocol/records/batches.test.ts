import { describe, expect, it } from 'vitest'
import { decodeBatches, encodeBatch, KafkaError, recordBytes, type BatchInput, type RecordInput } from '#protocol'
import { SeededRandom } from '../seeded-random.ts'
import { testBatchCodec } from '../test-batch-codec.ts'

const record = (value: string, more: Partial<RecordInput> = {}): RecordInput => ({
  key: Buffer.from('k'),
  value: Buffer.from(value),
  timestamp: 1_700_000_000_000n,
  ...more,
})

const batch = (input: Partial<BatchInput> = {}) =>
  encodeBatch({ records: [record('a'), record('b')], ...input }, testBatchCodec)

const read = (buffer: Buffer) => [...decodeBatches(buffer, testBatchCodec)].flatMap(each => [...each.records()])

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return error instanceof KafkaError ? error.code : `not a KafkaError: ${String(error)}`
  }
  return 'no error'
}

describe('record batches', () => {
  it('records come back with offsets, timestamps, headers and nulls', () => {
    const headers = [
      { key: 'h', value: Buffer.from('1') },
      { key: 'h', value: null },
    ]
    const buffer = batch({
      baseOffset: 100n,
      records: [record('a', { headers }), record('b', { timestamp: 1_699_999_999_000n }), { key: null, value: null }],
    })
    const [first] = decodeBatches(buffer, testBatchCodec)
    expect(first?.lastOffset).toBe(102n)
    expect(first?.header.maxTimestamp).toBe(1_700_000_000_000n)
    const records = read(buffer)
    expect(records.map(each => each.offset)).toEqual([100n, 101n, 102n])
    expect(records.map(each => each.timestamp)).toEqual([1_700_000_000_000n, 1_699_999_999_000n, 1_700_000_000_000n])
    expect(records[0]?.headers).toEqual(headers)
    expect(records[2]?.key).toBeNull()
    expect(records[2]?.value).toBeNull()
    expect(records[2]?.headers).toEqual([])
  })

  it('recordBytes predicts the size of a batch', () => {
    const records = [record('x'.repeat(200)), record('y', { headers: [{ key: 'ä', value: null }] })]
    const expected = records.reduce((sum, each, index) => sum + recordBytes(each, 0n, index), 61)
    expect(batch({ records }).length).toBe(expected)
  })

  it('compressed batches come back the same', () => {
    const records = Array.from({ length: 500 }, (_, index) => record(`value ${index}`))
    const buffer = batch({ records, compression: 'gzip' })
    expect(buffer.length).toBeLessThan(batch({ records }).length)
    expect(read(buffer).map(each => each.value?.toString())).toEqual(records.map(each => each.value?.toString()))
  })

  it('LogAppendTime gives every record the maximum timestamp of the batch', () => {
    const records = [record('a', { timestamp: 5n }), record('b', { timestamp: 9n })]
    expect(read(batch({ records, timestampType: 'LogAppendTime' })).map(each => each.timestamp)).toEqual([9n, 9n])
  })

  it('several batches are walked in order and a cut-off tail ends the walk', () => {
    const buffer = Buffer.concat([batch({ baseOffset: 0n }), batch({ baseOffset: 2n })])
    expect(read(buffer).map(each => each.offset)).toEqual([0n, 1n, 2n, 3n])
    expect(read(buffer.subarray(0, buffer.length - 1)).map(each => each.offset)).toEqual([0n, 1n])
    const strict = () => [...decodeBatches(buffer.subarray(0, -1), testBatchCodec, { incompleteTail: 'refuse' })]
    expect(codeOf(strict)).toBe('CORRUPT_MESSAGE')
  })

  it('a wrong CRC is CORRUPT_MESSAGE, old formats are UNSUPPORTED_FOR_MESSAGE_FORMAT', () => {
    const flipped = batch()
    flipped[flipped.length - 1] = (flipped.at(-1) as number) ^ 1
    expect(codeOf(() => read(flipped))).toBe('CORRUPT_MESSAGE')
    for (const magic of [0, 1, 3]) {
      const old = batch()
      old[16] = magic
      expect(codeOf(() => read(old))).toBe('UNSUPPORTED_FOR_MESSAGE_FORMAT')
    }
  })

  it('the leader epoch and base offset may be stamped without touching the CRC', () => {
    const stamped = batch()
    stamped.writeBigInt64BE(77n, 0)
    stamped.writeInt32BE(5, 12)
    expect(read(stamped).map(each => each.offset)).toEqual([77n, 78n])
  })

  it('an unpacked size over the limit is refused', () => {
    const bomb = batch({ records: [record('0'.repeat(1_000_000))], compression: 'gzip' })
    const walk = () =>
      [...decodeBatches(bomb, testBatchCodec, { unpackedBytesMax: 1000 })].flatMap(each => [...each.records()])
    expect(codeOf(walk)).toBe('CORRUPT_MESSAGE')
  })

  it('any mutation of the records under a right CRC is INVALID_RECORD or readable, and never another error', () => {
    const random = new SeededRandom(7)
    const whole = batch({
      records: Array.from({ length: 5 }, (_, i) => record(`v${i}`, { headers: [{ key: 'a', value: null }] })),
    })
    for (let round = 0; round < 20_000; round += 1) {
      const mutant = Buffer.from(whole)
      for (let count = 0; count <= random.below(3); count += 1)
        mutant[61 + random.below(whole.length - 61)] = random.uint32() & 0xff
      if (random.chance(4)) mutant.writeInt32BE(random.uint32() | 0, 57)
      mutant.writeUInt32BE(testBatchCodec.crc32c(mutant.subarray(21)), 17)
      const code = codeOf(() => read(mutant).map(each => each.headers))
      expect(['no error', 'INVALID_RECORD']).toContain(code)
    }
  })
})
