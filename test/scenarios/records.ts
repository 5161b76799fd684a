// Owns the few batches that scenarios produce and read back.
import { nativeBatchCodec } from '#native'
import { decodeBatches, encodeBatch, fetch, produce } from '#protocol'
import type { WireClient } from './wire-client.ts'

export function batchOf(values: readonly string[]): Buffer {
  const timestamp = BigInt(Date.now())
  return encodeBatch(
    { records: values.map(value => ({ key: Buffer.from(`key-${value}`), value: Buffer.from(value), timestamp })) },
    nativeBatchCodec,
  )
}

export async function produceTo(
  client: WireClient,
  topic: string,
  values: readonly string[],
  partition = 0,
): Promise<{ readonly errorCode: number; readonly baseOffset: bigint }> {
  const response = await client.send(produce, 9, {
    acks: -1,
    timeoutMs: 5000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records: batchOf(values) }] }],
  })
  const result = response.responses[0]?.partitionResponses[0]
  if (result === undefined) throw new Error('a produce answer has the partition that was asked for')
  return result
}

export async function fetchFrom(client: WireClient, topic: string, offset = 0n, partition = 0): Promise<string[]> {
  const response = await client.send(fetch, 12, {
    maxWaitMs: 2000,
    minBytes: 1,
    maxBytes: 1 << 20,
    topics: [
      { topic, partitions: [{ partition, fetchOffset: offset, currentLeaderEpoch: -1, partitionMaxBytes: 1 << 20 }] },
    ],
  })
  const result = response.responses[0]?.partitions[0]
  if (result === undefined || result.errorCode !== 0) throw new Error(`fetch failed with ${result?.errorCode}`)
  const values: string[] = []
  for (const batch of decodeBatches(result.records ?? Buffer.alloc(0), nativeBatchCodec)) {
    for (const record of batch.records()) if (record.offset >= offset) values.push(String(record.value))
  }
  return values
}
