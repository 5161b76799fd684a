// Owns the recovery of a publication's partitions after an unclean stop: one job each, side by side, and what is said about it meanwhile.
// Never decides what has to be recovered. Invariant: when `recover` resolves, every partition was tried; how it went is the core's to say.
import { type Host, type Logger, uuidFromBytes } from '#host'
import { type BrokerHandle, NativeError, type RecoveringPartition } from '#native'
import type { PartitionIo } from './pool.ts'

const PROGRESS_EVERY_MS = 5_000

export interface RecoveryOptions {
  readonly partitionIo: PartitionIo
  readonly data: BrokerHandle
  readonly host: Host
  readonly logger: Logger
}

export async function recover(partitions: readonly RecoveringPartition[], options: RecoveryOptions): Promise<void> {
  const { partitionIo, data, host, logger } = options
  const startedMs = host.clock.monotonicMs()
  logger.info('recovering partitions after an unclean stop', { partitions: partitions.length })
  let timer = host.timers.setTimer(PROGRESS_EVERY_MS, function report() {
    const { remainingLogsToRecover, remainingSegmentsToRecover, RecoveredLogsTotal, RecoveryScannedBytesTotal } =
      data.metrics()
    logger.info('recovery goes on', {
      partitionsDone: RecoveredLogsTotal,
      partitionsLeft: remainingLogsToRecover,
      segmentsLeft: remainingSegmentsToRecover,
      scannedBytes: RecoveryScannedBytesTotal,
    })
    timer = host.timers.setTimer(PROGRESS_EVERY_MS, report)
  })
  const totals = { recoveredSegments: 0, scannedBytes: 0, truncatedBytes: 0, droppedSegments: 0 }
  const waiting = partitions.values()
  /** Takes one partition after the other, as its neighbours do, until none waits. */
  async function lane(): Promise<void> {
    for (const { topicId, partition } of waiting) {
      const figures = await partitionIo.run({ kind: 'recover', topicId: uuidFromBytes(topicId), partition })
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += figures[name] ?? 0
    }
  }
  try {
    await Promise.all(Array.from({ length: partitionIo.concurrency }, lane))
  } catch (error) {
    if (error instanceof NativeError && error.code === 'CLOSED') throw error
    // No worker could be had, or one broke. What was not recovered here is when the publication is taken over, only more slowly.
    logger.warn('the pool partition-io failed; recovery goes on without it', { error })
  } finally {
    timer.cancel()
  }
  logger.info('recovery is complete', {
    partitions: partitions.length,
    ...totals,
    tookMs: Math.round(host.clock.monotonicMs() - startedMs),
  })
}
