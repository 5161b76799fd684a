// Owns the recovery of a publication's partitions after an unclean stop: one job each, in turns side by side, and what is said about it meanwhile.
// Never decides what has to be recovered. Invariant: when `recover` resolves, every partition was tried; how it went is the core's to say.
import { type Host, type Logger, uuidFromBytes } from '#host'
import { type BrokerHandle, NativeError, type RecoveringPartition } from '#native'
import type { PartitionIo } from './pool.ts'

const PROGRESS_EVERY_MS = 5_000
/** Partitions a worker takes at once. Most have little to check, and the way to a worker costs more than that. */
const TURN_MAX = 64
/** Turns there are at least for each of the lanes: a long one leaves the others something to do. */
const TURNS_PER_LANE_MIN = 8

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
  const jobs = partitions.map(({ topicId, partition }) => ({
    kind: 'recover' as const,
    topicId: uuidFromBytes(topicId),
    partition,
  }))
  const lanes = partitionIo.concurrency
  const turn = Math.min(TURN_MAX, Math.ceil(jobs.length / (lanes * TURNS_PER_LANE_MIN)))
  let next = 0
  /** Takes one turn after the other, as its neighbours do, until none waits. */
  async function lane(): Promise<void> {
    while (next < jobs.length) {
      const first = next
      next += turn
      for (const figures of await partitionIo.runInTurn(jobs.slice(first, first + turn)))
        for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += figures[name] ?? 0
    }
  }
  try {
    await Promise.all(Array.from({ length: lanes }, lane))
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
