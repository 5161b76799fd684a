// Owns a coordinator topic in memory: appends wait until the test lets them finish, fails them, or fails them after writing.
import { decodeBatches, KafkaError, type ErrorName } from '#protocol'
import type { PartitionLogs } from '#coordinator'
import { testBatchCodec } from '../protocol/test-batch-codec.ts'

interface Waiting {
  readonly partition: number
  readonly batch: Buffer
  readonly resolve: (result: { readonly baseOffset: bigint }) => void
  readonly reject: (error: Error) => void
}

interface Log {
  readonly batches: Buffer[]
  endOffset: bigint
}

export class MemoryLogs implements PartitionLogs {
  readonly #logs = new Map<number, Log>()
  readonly #waiting: Waiting[] = []
  /** Records in each append that reached the log, in order. */
  readonly appended: number[] = []

  append(partition: number, batch: Buffer): Promise<{ readonly baseOffset: bigint }> {
    return new Promise((resolve, reject) => this.#waiting.push({ partition, batch, resolve, reject }))
  }

  /** Appends on their way to the log. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** The oldest append on its way is written and synced. */
  async succeed(): Promise<void> {
    const { partition, batch, resolve } = this.#next()
    resolve({ baseOffset: this.#write(partition, batch) })
    await settled()
  }

  async fail(error: ErrorName): Promise<void> {
    this.#next().reject(new KafkaError(error))
    await settled()
  }

  /** The bytes are in the log, but syncing them failed. */
  async failInDoubt(): Promise<void> {
    const { partition, batch, reject } = this.#next()
    this.#write(partition, batch)
    reject(new KafkaError('KAFKA_STORAGE_ERROR'))
    await settled()
  }

  read(partition: number, offset: bigint, maxBytes: number): Buffer {
    const found: Buffer[] = []
    let bytes = 0
    for (const batch of this.#log(partition).batches) {
      const [header] = [...decodeBatches(batch, testBatchCodec)]
      if (header === undefined || header.lastOffset < offset) continue
      if (found.length > 0 && bytes + batch.length > maxBytes) break
      found.push(batch)
      bytes += batch.length
    }
    return Buffer.concat(found)
  }

  startOffset(): bigint {
    return 0n
  }

  endOffset(partition: number): bigint {
    return this.#log(partition).endOffset
  }

  /** Writes a batch as some other broker did before. */
  seed(partition: number, batch: Buffer): void {
    this.#write(partition, batch)
  }

  #next(): Waiting {
    const next = this.#waiting.shift()
    if (next === undefined) throw new Error('no append is waiting')
    return next
  }

  #write(partition: number, batch: Buffer): bigint {
    const log = this.#log(partition)
    const [decoded] = [...decodeBatches(batch, testBatchCodec, { incompleteTail: 'refuse' })]
    if (decoded === undefined) throw new Error('an append has a batch')
    const stamped = Buffer.from(batch)
    const baseOffset = log.endOffset
    stamped.writeBigInt64BE(baseOffset, 0)
    log.batches.push(stamped)
    log.endOffset += BigInt(decoded.header.lastOffsetDelta + 1)
    this.appended.push(decoded.header.recordCount)
    return baseOffset
  }

  #log(partition: number): Log {
    let log = this.#logs.get(partition)
    if (log === undefined) this.#logs.set(partition, (log = { batches: [], endOffset: 0n }))
    return log
  }
}

/** Lets what promises have set going run out. */
export async function settled(): Promise<void> {
  for (let round = 0; round < 20; round++) await Promise.resolve()
}
