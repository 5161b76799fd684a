import { describe, expect, test } from 'vitest'
import { loadBatches, MetadataImage } from '#metadata'
import type { MetadataRecordInput } from '#protocol'
import { encodeOperation } from '../../src/controller/operation-batches.ts'
import { plainCodec } from '../metadata/batch-codec-double.ts'

const records: MetadataRecordInput[] = Array.from({ length: 100 }, (_, i) => ({
  type: 'ConfigRecord',
  resourceType: 4,
  resourceName: '',
  name: `setting-${i}`,
  value: String(i),
}))
const encode = (batchBytesMax: number) =>
  encodeOperation(records, { codec: plainCodec, features: new Map(), timestampMs: 1, batchBytesMax })

function stamped(batches: readonly { bytes: Buffer; recordCount: number }[]): Buffer[] {
  let offset = 0n
  return batches.map(({ bytes, recordCount }) => {
    bytes.writeBigInt64BE(offset, 0)
    offset += BigInt(recordCount)
    return bytes
  })
}

describe('an operation', () => {
  test('is one batch', () => {
    const { batches, values } = encode(1 << 20)
    expect([batches.length, values.length]).toEqual([1, 100])
  })

  test('too big for one is several, which take effect together', () => {
    const { batches, values } = encode(500)
    expect(batches.length).toBeGreaterThan(3)
    expect(values).toHaveLength(102)
    expect(batches.reduce((sum, { recordCount }) => sum + recordCount, 0)).toBe(102)
    const bytes = stamped(batches)
    const load = (count: number) =>
      loadBatches(MetadataImage.empty, Buffer.concat(bytes.slice(0, count)), { codec: plainCodec })?.image
    expect(load(bytes.length - 1)?.configs.get(4, '').size).toBe(0)
    expect(load(bytes.length)?.configs.get(4, '').size).toBe(100)
  })
})
