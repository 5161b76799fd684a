// Owns reading a partition's log into a shard. Never writes, never waits: the caller decides when the next chunk is read.
// Invariant: records reach the shard in log order; those of a transaction wait inside the shard for its marker.
import { type BatchCodec, decodeBatches, decodeControlRecord, KafkaError, type RecordBatch } from '#protocol'
import type { PartitionLogs } from './partition-logs.ts'
import type { CoordinatorShard, RecordSerde, ReplayContext } from './shard.ts'

export interface LogReplayOptions<Event, Response, Rec> {
  readonly partition: number
  readonly logs: PartitionLogs
  readonly batchCodec: BatchCodec
  readonly serde: RecordSerde<Rec>
  readonly shard: CoordinatorShard<Event, Response, Rec>
  readonly chunkBytes: number
}

export interface ReplayProgress {
  readonly nextOffset: bigint
  readonly bytes: number
  readonly records: number
  /** Records of types this node does not know; they are left alone. */
  readonly unknownRecords: number
}

/** Yields after each chunk, so that loading a large log does not hold up everything else. */
export function* replayLog<Event, Response, Rec>(
  options: LogReplayOptions<Event, Response, Rec>,
): Generator<ReplayProgress, ReplayProgress> {
  const { logs, partition } = options
  const progress = { nextOffset: logs.startOffset(partition), bytes: 0, records: 0, unknownRecords: 0 }
  const endOffset = logs.endOffset(partition)
  while (progress.nextOffset < endOffset) {
    const chunk = logs.read(partition, progress.nextOffset, options.chunkBytes)
    const before = progress.nextOffset
    for (const batch of decodeBatches(chunk, options.batchCodec)) {
      progress.nextOffset = batch.lastOffset + 1n
      replayBatch(batch, options, progress)
    }
    progress.bytes += chunk.length
    if (progress.nextOffset === before) {
      throw new KafkaError(
        'CORRUPT_MESSAGE',
        `no whole batch at offset ${before} of coordinator partition ${partition}`,
      )
    }
    yield progress
  }
  return progress
}

function replayBatch<Event, Response, Rec>(
  batch: RecordBatch,
  options: LogReplayOptions<Event, Response, Rec>,
  progress: { records: number; unknownRecords: number },
): void {
  if (batch.isControl) {
    replayMarkers(batch, options.shard)
    return
  }
  const transactionalProducerId = batch.isTransactional ? batch.header.producerId : -1n
  for (const { offset, key, value } of batch.records()) {
    if (key === null) throw new KafkaError('CORRUPT_MESSAGE', `record ${offset} of a coordinator topic has no key`)
    const record = options.serde.decode(key, value)
    progress.records++
    if (record === null) progress.unknownRecords++
    else options.shard.replay(record, { offset, transactionalProducerId } satisfies ReplayContext)
  }
}

/** Other control records (leader change, ...) say nothing about transactions. */
function replayMarkers<Event, Response, Rec>(batch: RecordBatch, shard: CoordinatorShard<Event, Response, Rec>): void {
  for (const record of batch.records()) {
    const { type } = decodeControlRecord(record)
    if (type === 'Commit' || type === 'Abort') shard.replayMarker(batch.header.producerId, type === 'Commit')
  }
}
