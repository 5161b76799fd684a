// Owns what observers of the metadata log are answered: Fetch (KIP-595) with long poll, FetchSnapshot (KIP-630).
// Never answers with what is not committed. Invariant: a parked fetch is answered when something is committed past its offset,
// when its time is over, or when the log failed; whichever comes first.
import type { Timers } from '#host'
import type { SnapshotId } from '#metadata'
import {
  ErrorCode,
  type FetchRequest,
  type FetchResponse,
  type FetchSnapshotRequest,
  type FetchSnapshotResponse,
  KafkaError,
} from '#protocol'
import type { EpochStarts } from './epoch-starts.ts'
import type { MetadataLog } from './metadata-log.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import { METADATA_TOPIC, METADATA_TOPIC_ID } from './topic-names.ts'

const FETCH_BYTES_MAX = 8 * 1024 * 1024

export interface ObserverFetchOptions {
  readonly log: MetadataLog
  readonly snapshots: SnapshotStore
  readonly epochStarts: EpochStarts
  readonly timers: Timers
  readonly nodeId: number
  readonly clusterId: string
}

type FetchTopic = FetchRequest['topics'][number]
type FetchPartition = FetchTopic['partitions'][number]
type FetchedPartition = FetchResponse['responses'][number]['partitions'][number]

const NO_SNAPSHOT = { endOffset: -1n, epoch: -1 }
const NO_DIVERGENCE = { epoch: -1, endOffset: -1n }

export class ObserverFetch {
  readonly #options: ObserverFetchOptions

  constructor(options: ObserverFetchOptions) {
    this.#options = options
  }

  async fetch(request: FetchRequest): Promise<FetchResponse> {
    this.#checkCluster(request.clusterId)
    const wanted = request.topics[0]
    const partition = wanted?.partitions[0]
    if (
      request.topics.length !== 1 ||
      wanted?.partitions.length !== 1 ||
      partition === undefined ||
      !isMetadata(wanted)
    ) {
      throw new KafkaError(
        'UNKNOWN_TOPIC_OR_PARTITION',
        'the controller serves one partition, that of the metadata log',
      )
    }
    const answer = this.#read(request, partition)
    const empty =
      answer.errorCode === ErrorCode.NONE && answer.snapshotId.endOffset < 0n && answer.records?.length === 0
    const diverged = answer.divergingEpoch.epoch >= 0
    if (!empty || diverged || request.maxWaitMs <= 0) return fetched(wanted, answer)
    await this.#moreThan(partition.fetchOffset, request.maxWaitMs)
    if (this.#options.log.failed) throw new KafkaError('NOT_CONTROLLER', 'the controller stopped while a fetch waited')
    return fetched(wanted, this.#read(request, partition))
  }

  fetchSnapshot(request: FetchSnapshotRequest): FetchSnapshotResponse {
    this.#checkCluster(request.clusterId)
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partition, currentLeaderEpoch, snapshotId, position }) => {
        const errorCode =
          name !== METADATA_TOPIC || partition !== 0
            ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            : this.#epochError(currentLeaderEpoch)
        const piece =
          errorCode === ErrorCode.NONE
            ? this.#snapshotPiece(snapshotId, position, Math.min(request.maxBytes, FETCH_BYTES_MAX))
            : failedPiece(errorCode)
        return { index: partition, snapshotId, currentLeader: this.#leader(), position, ...piece }
      }),
    }))
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, topics, nodeEndpoints: [] }
  }

  #snapshotPiece(id: SnapshotId, position: bigint, maxBytes: number) {
    const piece = this.#options.snapshots.read(id, Number(position), maxBytes)
    if (piece === null) return failedPiece(ErrorCode.SNAPSHOT_NOT_FOUND)
    if (position < 0n || position >= BigInt(piece.sizeBytes)) return failedPiece(ErrorCode.POSITION_OUT_OF_RANGE)
    return { errorCode: ErrorCode.NONE, size: BigInt(piece.sizeBytes), unalignedRecords: piece.bytes }
  }

  #checkCluster(clusterId: string | null): void {
    if (clusterId !== null && clusterId !== this.#options.clusterId) throw new KafkaError('INCONSISTENT_CLUSTER_ID')
  }

  #leader(): { readonly leaderId: number; readonly leaderEpoch: number } {
    return { leaderId: this.#options.nodeId, leaderEpoch: this.#options.log.leaderEpoch }
  }

  #epochError(currentLeaderEpoch: number): number {
    const { leaderEpoch } = this.#options.log
    if (currentLeaderEpoch < 0 || currentLeaderEpoch === leaderEpoch) return ErrorCode.NONE
    return currentLeaderEpoch < leaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.UNKNOWN_LEADER_EPOCH
  }

  #read(request: FetchRequest, wanted: FetchPartition): FetchedPartition {
    const { log, snapshots, epochStarts } = this.#options
    const { partition, fetchOffset, lastFetchedEpoch } = wanted
    const answer: FetchedPartition = {
      partitionIndex: partition,
      errorCode: partition === 0 ? this.#epochError(wanted.currentLeaderEpoch) : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      highWatermark: log.highWatermark,
      lastStableOffset: log.highWatermark,
      logStartOffset: log.startOffset,
      divergingEpoch: NO_DIVERGENCE,
      currentLeader: this.#leader(),
      snapshotId: NO_SNAPSHOT,
      abortedTransactions: [],
      preferredReadReplica: -1,
      records: Buffer.alloc(0),
    }
    if (answer.errorCode !== ErrorCode.NONE) return answer
    if (fetchOffset < log.startOffset) {
      const { latest } = snapshots
      if (latest === undefined)
        throw new KafkaError('KAFKA_STORAGE_ERROR', 'the metadata log begins without a snapshot')
      return { ...answer, snapshotId: latest }
    }
    // An observer that has nothing yet has no last epoch to be wrong about.
    if (fetchOffset > 0n && lastFetchedEpoch >= 0) {
      const end = epochStarts.endOf(lastFetchedEpoch, log.endOffset)
      if (end !== null && (end.epoch !== lastFetchedEpoch || end.endOffset < fetchOffset)) {
        return { ...answer, divergingEpoch: end }
      }
    }
    if (fetchOffset > log.endOffset) return { ...answer, errorCode: ErrorCode.OFFSET_OUT_OF_RANGE }
    const maxBytes = Math.min(request.maxBytes, wanted.partitionMaxBytes, FETCH_BYTES_MAX)
    return { ...answer, records: log.read(fetchOffset, maxBytes) }
  }

  #moreThan(offset: bigint, maxWaitMs: number): Promise<void> {
    const { log, timers } = this.#options
    return new Promise(resolve => {
      const done = (): void => {
        timer.cancel()
        stop()
        resolve()
      }
      const timer = timers.setTimer(maxWaitMs, done)
      const stop = log.onCommit(() => {
        if (log.highWatermark > offset || log.failed) done()
      })
    })
  }
}

function failedPiece(errorCode: number) {
  return { errorCode, size: 0n, unalignedRecords: Buffer.alloc(0) }
}

/** By id since version 13, by name before. */
function isMetadata({ topic, topicId }: FetchTopic): boolean {
  return topicId === METADATA_TOPIC_ID || topic === METADATA_TOPIC
}

function fetched(topic: FetchTopic, partition: FetchedPartition): FetchResponse {
  return {
    throttleTimeMs: 0,
    errorCode: ErrorCode.NONE,
    sessionId: 0,
    responses: [{ topic: topic.topic, topicId: topic.topicId, partitions: [partition] }],
    nodeEndpoints: [],
  }
}
