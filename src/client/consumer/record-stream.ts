// Owns one iteration over a consumer's records, one at a time. Never fetches. Invariant: a record counts as done, and the position
// moves past it, when the next one is asked for or the iteration is left; a record of a partition that was taken away is not handed out.
import type { ConsumerRecord } from './fetched-records.ts'
import type { HandedBatch } from './consumer.ts'

export interface RecordSource {
  /** What has to be done between records: membership, commits. Partitions may change hands here. */
  maintain(): Promise<void>
  /** True when maintain() must run before another record is handed out. */
  needsAttention(): boolean
  /** null at the end. */
  nextBatch(): Promise<HandedBatch | null>
}

export interface StreamLimits {
  readonly limit?: number
  readonly signal?: AbortSignal
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

export class RecordStream implements AsyncIterableIterator<ConsumerRecord> {
  readonly #source: RecordSource
  readonly #signal: AbortSignal | undefined
  #left: number
  #batch: HandedBatch | undefined
  #next = 0
  /** Slow steps run one after another, also when next() is called without waiting. */
  #tail: Promise<unknown> = Promise.resolve()
  #isSlow = false
  #isDone = false
  #error: Error | undefined

  constructor(limits: StreamLimits, source: RecordSource) {
    this.#source = source
    this.#signal = limits.signal
    this.#left = limits.limit ?? Number.POSITIVE_INFINITY
  }

  get isDone(): boolean {
    return this.#isDone
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<ConsumerRecord>> {
    if (!this.#isSlow && !this.#isDone && !this.#signal?.aborted) {
      const record = this.#takeBuffered()
      if (record) return Promise.resolve({ done: false, value: record })
    }
    this.#isSlow = true
    const step = this.#tail.then(() => this.#slowNext())
    this.#tail = step.catch(() => {})
    void this.#tail.then(() => {
      this.#isSlow = false
    })
    return step
  }

  async return(): Promise<IteratorResult<ConsumerRecord>> {
    this.#finish()
    return DONE
  }

  /** The consumer is closed under the iteration: the next step rejects. */
  interrupt(error: Error): void {
    if (this.#isDone) return
    this.#finish()
    this.#error = error
  }

  async #slowNext(): Promise<IteratorResult<ConsumerRecord>> {
    try {
      for (;;) {
        this.#throwInterruption()
        if (this.#isDone) return DONE
        this.#signal?.throwIfAborted()
        if (this.#left <= 0) break
        if (this.#source.needsAttention()) {
          this.#advance()
          await this.#source.maintain()
          continue
        }
        const record = this.#takeBuffered()
        if (record) return { done: false, value: record }
        this.#advance()
        const batch = await this.#source.nextBatch()
        if (!batch) break
        this.#batch = batch
        this.#next = 0
      }
    } catch (error) {
      this.#throwInterruption()
      this.#finish()
      throw error
    }
    this.#throwInterruption()
    this.#finish()
    return DONE
  }

  #throwInterruption(): void {
    const error = this.#error
    this.#error = undefined
    if (error) throw error
  }

  #takeBuffered(): ConsumerRecord | undefined {
    const batch = this.#batch
    if (!batch || this.#left <= 0 || batch.epoch !== batch.state.epoch || this.#source.needsAttention())
      return undefined
    const record = batch.records[this.#next]
    if (!record) return undefined
    this.#next += 1
    this.#left -= 1
    batch.state.position = record.offset + 1n
    batch.state.leaderEpoch = record.leaderEpoch
    return record
  }

  /** A batch read to its end takes the position past offsets that have no record any more. A batch taken away is dropped. */
  #advance(): void {
    const batch = this.#batch
    if (!batch) return
    const isCurrent = batch.epoch === batch.state.epoch
    if (isCurrent && this.#next < batch.records.length) return
    this.#batch = undefined
    if (isCurrent) batch.state.position = max(batch.state.position, batch.nextOffset)
  }

  #finish(): void {
    this.#isDone = true
    this.#batch = undefined
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
