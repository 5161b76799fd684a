// Owns the batches that cases produce: fixed times, so that equal requests give equal bytes, and damage with a right checksum.
import { codec, nativeBatchCodec } from '#native'
import { type BatchInput, encodeBatch } from '#protocol'

/** When every fixture record was written; long ago, so topics that hold them keep records for ever. */
export const WRITTEN_AT = 1_700_000_000_000n

const CRC_AT = 17
const CHECKED_FROM = 21

export function batchOf(values: readonly string[], input: Partial<BatchInput> = {}): Buffer {
  const records = values.map((value, index) => ({
    key: Buffer.from(`key-${value}`),
    value: Buffer.from(value),
    timestamp: WRITTEN_AT + BigInt(index),
  }))
  return encodeBatch({ records, ...input }, nativeBatchCodec)
}

/** A batch with a change in it; the checksum is made right again. */
export function changedBatch(change: (batch: Buffer) => void, batch = batchOf(['value'])): Buffer {
  const changed = Buffer.from(batch)
  change(changed)
  changed.writeUInt32BE(codec.crc32c(changed.subarray(CHECKED_FROM)), CRC_AT)
  return changed
}

/** A batch whose checksum is wrong. */
export function corruptBatch(): Buffer {
  const batch = Buffer.from(batchOf(['value']))
  batch.writeUInt8(batch.readUInt8(batch.length - 1) ^ 1, batch.length - 1)
  return batch
}
