import { expect, test } from 'vitest'
import { encodeBatch, encodeControlRecord } from '#protocol'
import { decodeChunk, wholeBatches } from '../../../src/client/consumer/fetched-records.ts'
import { testCodec } from '../test-codec.ts'

const batch = (baseOffset: bigint, values: readonly string[], extra: object = {}): Buffer =>
  encodeBatch(
    { baseOffset, records: values.map(value => ({ value: Buffer.from(value), timestamp: 5n })), ...extra },
    testCodec,
  )

const marker = (baseOffset: bigint, type: 'Abort' | 'Commit', producerId: bigint): Buffer =>
  encodeBatch(
    {
      baseOffset,
      records: [encodeControlRecord({ type })],
      isControl: true,
      isTransactional: true,
      producerId,
      producerEpoch: 0,
    },
    testCodec,
  )

function read(
  bytes: Buffer,
  {
    position = 0n,
    endOffset = null as bigint | null,
    aborted = [] as { producerId: bigint; firstOffset: bigint }[],
  } = {},
): { values: string[]; next: bigint[] } {
  const source = { topic: 't', partition: 0, position, endOffset }
  const decoded = [...decodeChunk(source, { bytes, abortedTransactions: aborted }, testCodec, true)]
  return {
    values: decoded.flatMap(({ records }) => records.map(({ value, offset }) => `${offset}:${String(value)}`)),
    next: decoded.map(({ nextOffset }) => nextOffset),
  }
}

test('whole batches are counted, a cut-off tail is left out', () => {
  const bytes = Buffer.concat([batch(0n, ['a', 'b']), batch(2n, ['c'])])
  expect(wholeBatches(bytes)).toMatchObject({ nextOffset: 3n })
  expect(wholeBatches(bytes.subarray(0, bytes.length - 1))).toMatchObject({
    nextOffset: 2n,
    bytes: { length: batch(0n, ['a', 'b']).length },
  })
  expect(wholeBatches(bytes.subarray(0, 30))).toBeNull()
  expect(wholeBatches(Buffer.alloc(0))).toBeNull()
})

test('a batch of an older format, or with an impossible size, is an error and not a stop', () => {
  const bytes = batch(0n, ['a'])
  const old = Buffer.from(bytes)
  old.writeInt8(1, 16)
  expect(() => wholeBatches(old)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_FOR_MESSAGE_FORMAT' }))
  const tiny = Buffer.from(bytes)
  tiny.writeInt32BE(3, 8)
  expect(() => wholeBatches(tiny)).toThrow(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }))
})

test('records before the position and from the end on are left out', () => {
  const bytes = Buffer.concat([batch(0n, ['a', 'b', 'c']), batch(3n, ['d', 'e'], { compression: 'gzip' })])
  expect(read(bytes, { position: 1n, endOffset: 4n }).values).toEqual(['1:b', '2:c', '3:d'])
  expect(read(bytes).next).toEqual([3n, 5n])
})

test('a flipped bit is found by the CRC', () => {
  const bytes = batch(0n, ['hello'])
  bytes[bytes.length - 2] = (bytes[bytes.length - 2] as number) ^ 1
  expect(() => read(bytes)).toThrow(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }))
})

test('records of aborted transactions and all markers are passed over', () => {
  const transactional = { isTransactional: true, producerEpoch: 0, baseSequence: 0 }
  const bytes = Buffer.concat([
    batch(0n, ['aborted'], { ...transactional, producerId: 1n }),
    batch(1n, ['committed'], { ...transactional, producerId: 2n }),
    marker(2n, 'Abort', 1n),
    batch(3n, ['afterwards'], { ...transactional, producerId: 1n }),
    marker(4n, 'Commit', 1n),
    batch(5n, ['plain']),
  ])
  expect(read(bytes, { aborted: [{ producerId: 1n, firstOffset: 0n }] })).toEqual({
    values: ['1:committed', '3:afterwards', '5:plain'],
    next: [1n, 2n, 3n, 4n, 5n, 6n],
  })
  expect(read(bytes).values).toHaveLength(4)
})
