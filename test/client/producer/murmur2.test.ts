// Numbers printed by org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 4.3.1.
import { expect, test } from 'vitest'
import { murmur2 } from '../../../src/client/producer/murmur2.ts'
import { partitionOfKey, StickyPartitioner } from '../../../src/client/producer/partitioner.ts'

const words: readonly (readonly [key: string, hash: number, of6: number, of50: number])[] = [
  ['', 275646681, 3, 31],
  ['a', -1563381124, 4, 24],
  ['ab', 316155434, 2, 34],
  ['abc', 479470107, 3, 7],
  ['abcd', -1323649548, 2, 0],
  ['kafka', -798503068, 4, 30],
  ['millrace', 2104008374, 2, 24],
  ['21', -973932308, 0, 40],
  ['foobar', -790332482, 0, 16],
  ['a-little-bit-long-string', -985981536, 2, 12],
  ['a-little-bit-longer-string', -1486304829, 5, 19],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971, 5, 27],
  ['\u00e9\u4e2d\ud83d\ude00', 1824111047, 5, 47],
  ['key-0', 29210041, 1, 41],
  ['key-1', 193331640, 0, 40],
  ['key-12345678', -17148984, 2, 14],
]

test.each(words)("'%s' hashes and lands as in the Java client", (key, hash, of6, of50) => {
  const bytes = Buffer.from(key)
  expect(murmur2(bytes)).toBe(hash)
  expect(partitionOfKey(bytes, 6)).toBe(of6)
  expect(partitionOfKey(bytes, 50)).toBe(of50)
})

test.each([
  [1, -311467685],
  [2, -1177224669],
  [3, 1883754278],
  [5, -2095176225],
  [7, -1125860179],
  [128, 872916902],
  [255, -40751598],
  [256, -1948347274],
])('the last %i of bytes 0 to 255 hash as in the Java client', (count, hash) => {
  expect(murmur2(Uint8Array.from({ length: count }, (_, index) => 256 - count + index))).toBe(hash)
})

test('keyless records stick to a partition for a batch of bytes, then move to another', () => {
  const sticky = new StickyPartitioner(100, max => max - 1)
  const next = (): number => sticky.partitionFor('t', 40, [0, 1, 2], 3)
  expect([next(), next(), next(), next(), next(), next(), next()]).toEqual([2, 2, 2, 1, 1, 1, 2])
})

test('a partition without a leader is left out while another has one', () => {
  const sticky = new StickyPartitioner(1, () => 0)
  expect([1, 2, 3].map(() => sticky.partitionFor('t', 40, [1], 3))).toEqual([1, 1, 1])
  expect(sticky.partitionFor('u', 40, [], 3)).toBe(0)
})
