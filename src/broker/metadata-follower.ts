// Owns this node's copy of the metadata log: fetched as an observer fetches it, replayed into one image after another.
// Never decides anything, and never talks to the controller but through the channel.
// Invariant: the image only moves forward, and what waits for an offset is released after `onImage` has acted on it.
import { assert, type Host } from '#host'
import { decodeSnapshot, loadBatches, type MetadataDelta, MetadataImage } from '#metadata'
import { nativeBatchCodec } from '#native'
import { ErrorCode, type FetchResponse, fetch, fetchSnapshot, KafkaError } from '#protocol'
import type { ControllerChannel } from './controller-channel.ts'

const METADATA_TOPIC = '__cluster_metadata'
const METADATA_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const FETCH_VERSION = 17
const FETCH_SNAPSHOT_VERSION = 1
const FETCH_WAIT_MS = 500
const FETCH_BYTES_MAX = 8 << 20
const RETRY_AFTER_MS = 100

type FetchedPartition = FetchResponse['responses'][number]['partitions'][number]

/** A new image, and what led to it; a snapshot leads to one without saying what changed. */
export interface MetadataChange {
  readonly image: MetadataImage
  readonly delta: MetadataDelta | null
}

export interface MetadataFollowerOptions {
  readonly channel: ControllerChannel
  readonly host: Host
  readonly nodeId: number
  readonly clusterId: string
  /**
   * Called with each new image, in the same turn: the data plane obeys it before any request sees it. A promise says that logs have to be
   * recovered first, as at the start after a crash; nothing that waits for the image goes on before it.
   */
  onImage(change: MetadataChange, previous: MetadataImage): void | Promise<void>
  /** A record that does not fit the image, or an image that cannot be acted on: this node must not go on. */
  onFailure(error: Error): void
}

interface Waiter {
  readonly offset: bigint
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class MetadataFollower {
  readonly #options: MetadataFollowerOptions
  #image = MetadataImage.empty
  #waiters: Waiter[] = []
  #stopped = false
  #loop: Promise<void> | undefined

  constructor(options: MetadataFollowerOptions) {
    this.#options = options
  }

  get image(): MetadataImage {
    return this.#image
  }

  start(): void {
    assert(this.#loop === undefined, 'a follower starts once')
    this.#loop = this.#follow()
  }

  /** Resolves when the image holds everything up to and including `offset`. */
  async reached(offset: bigint): Promise<void> {
    if (this.#image.offset >= offset) return
    if (this.#stopped) throw new KafkaError('NOT_CONTROLLER', 'this node no longer follows the metadata log')
    await new Promise<void>((resolve, reject) => this.#waiters.push({ offset, resolve, reject }))
  }

  /** The channel must be closed first, or this waits for a fetch to return. */
  async stop(): Promise<void> {
    this.#stopped = true
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(new KafkaError('NOT_CONTROLLER', 'the node is stopping'))
    await this.#loop
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#fetchOnce()
      } catch (error) {
        if (this.#stopped) return
        // The controller may say no, and say yes later. What fails on our side would fail again, and skipping it is no choice.
        if (!(error instanceof KafkaError)) return this.#options.onFailure(error as Error)
        this.#options.host.logger.warn('fetching the metadata log failed', { error })
        await new Promise<void>(resolve => this.#options.host.timers.setTimer(RETRY_AFTER_MS, resolve))
      }
    }
  }

  async #fetchOnce(): Promise<void> {
    const { channel, nodeId, clusterId } = this.#options
    const { response } = await channel.send(fetch, FETCH_VERSION, {
      clusterId,
      replicaState: { replicaId: nodeId },
      maxWaitMs: FETCH_WAIT_MS,
      minBytes: 0,
      maxBytes: FETCH_BYTES_MAX,
      topics: [
        {
          topic: METADATA_TOPIC,
          topicId: METADATA_TOPIC_ID,
          partitions: [
            {
              partition: 0,
              fetchOffset: this.#image.offset + 1n,
              lastFetchedEpoch: this.#image.epoch,
              partitionMaxBytes: FETCH_BYTES_MAX,
            },
          ],
        },
      ],
    })
    if (this.#stopped) return
    if (response.errorCode !== ErrorCode.NONE) throw KafkaError.of(response.errorCode)
    const partition = response.responses[0]?.partitions[0]
    if (partition === undefined) throw new KafkaError('UNKNOWN_SERVER_ERROR', 'a fetch answer without the metadata log')
    if (partition.snapshotId.endOffset >= 0n) return this.#loadSnapshot(partition)
    if (partition.errorCode !== ErrorCode.NONE) throw KafkaError.of(partition.errorCode)
    if (partition.records === null || partition.records.length === 0) return
    const { highWatermark } = partition
    const loaded = loadBatches(this.#image, partition.records, { codec: nativeBatchCodec, highWatermark })
    if (loaded !== null) await this.#advance(loaded)
  }

  /** Our next offset is older than the log: take the snapshot instead, in pieces. */
  async #loadSnapshot({ snapshotId }: FetchedPartition): Promise<void> {
    const { channel, nodeId, clusterId } = this.#options
    const pieces: Buffer[] = []
    let position = 0n
    for (;;) {
      const { response } = await channel.send(fetchSnapshot, FETCH_SNAPSHOT_VERSION, {
        clusterId,
        replicaId: nodeId,
        maxBytes: FETCH_BYTES_MAX,
        topics: [
          { name: METADATA_TOPIC, partitions: [{ partition: 0, currentLeaderEpoch: -1, snapshotId, position }] },
        ],
      })
      const piece = response.topics[0]?.partitions[0]
      const errorCode = response.errorCode || (piece?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR)
      if (errorCode !== ErrorCode.NONE || piece === undefined) throw KafkaError.of(errorCode)
      const bytes = piece.unalignedRecords ?? Buffer.alloc(0)
      pieces.push(bytes)
      position += BigInt(bytes.length)
      if (position >= piece.size || bytes.length === 0) break
    }
    await this.#advance({ image: decodeSnapshot(snapshotId, Buffer.concat(pieces), nativeBatchCodec), delta: null })
  }

  async #advance({ image, delta }: MetadataChange): Promise<void> {
    const { offset } = image
    assert(offset > this.#image.offset, 'the image only moves forward')
    const previous = this.#image
    this.#image = image
    // Synchronous: no request is handled between the new image and what follows from it.
    const acting = this.#options.onImage({ image, delta }, previous)
    if (acting !== undefined) await acting
    const waiters = this.#waiters
    this.#waiters = waiters.filter(waiter => waiter.offset > offset)
    for (const waiter of waiters) if (waiter.offset <= offset) waiter.resolve()
  }
}
