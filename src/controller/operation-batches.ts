// Owns the form in which one operation goes into the metadata log: one batch, or, when that would be too big for readers,
// several between BeginTransactionRecord and EndTransactionRecord (KIP-868), which take effect together.
// Invariant: what one call returns is atomic, whatever its size.
import { metadataVersionOf, recordVersion } from '#metadata'
import { type BatchCodec, encodeBatch, metadataRecords, type MetadataRecordInput } from '#protocol'

/** Kafka's limit for a batch of the metadata log is 8 MiB; half of it leaves room for what encoding adds. */
export const OPERATION_BATCH_BYTES_MAX = 4 * 1024 * 1024

export interface OperationOptions {
  readonly codec: BatchCodec
  readonly features: ReadonlyMap<string, number>
  readonly timestampMs: number
  readonly batchBytesMax?: number
}

export interface OperationBatch {
  readonly bytes: Buffer
  readonly recordCount: number
}

export interface Operation {
  /** The records in the batches as readers will find them, transaction records included. */
  readonly values: readonly Buffer[]
  readonly batches: readonly OperationBatch[]
}

export function encodeOperation(records: readonly MetadataRecordInput[], options: OperationOptions): Operation {
  const { codec, features, batchBytesMax = OPERATION_BATCH_BYTES_MAX } = options
  const metadataVersion = metadataVersionOf(features)
  const timestamp = BigInt(options.timestampMs)
  const encode = (record: MetadataRecordInput): Buffer => metadataRecords.encode(record)
  const batchOf = (values: readonly Buffer[]): OperationBatch => ({
    bytes: encodeBatch({ records: values.map(value => ({ value, timestamp })) }, codec),
    recordCount: values.length,
  })

  const groups = split(
    records.map(record => encode({ ...record, version: recordVersion(record.type, metadataVersion) })),
    batchBytesMax,
  )
  if (groups.length > 1) {
    groups[0]?.unshift(encode({ type: 'BeginTransactionRecord', name: 'operation', version: 0 }))
    groups.at(-1)?.push(encode({ type: 'EndTransactionRecord', version: 0 }))
  }
  return { values: groups.flat(), batches: groups.map(batchOf) }
}

/** Consecutive groups, each of at least one value and, if it has more, of at most `bytesMax`. */
function split(values: readonly Buffer[], bytesMax: number): Buffer[][] {
  const groups: Buffer[][] = [[]]
  let groupBytes = 0
  for (const value of values) {
    const open = groups.at(-1) as Buffer[]
    if (open.length > 0 && groupBytes + value.length > bytesMax) {
      groups.push([value])
      groupBytes = value.length
    } else {
      open.push(value)
      groupBytes += value.length
    }
  }
  return groups
}
