// Owns one record batch from its first record to its outcome. Never sends or encodes itself.
// Invariant: once sequences are given, neither they nor the records change until the batch is settled or the epoch is bumped.
import { assert } from '#host'
import type { KafkaError } from '../network/kafka-errors.ts'
import type { CheckedRecord } from './record.ts'
import type { Ticket } from './ticket.ts'

/** Bytes of the header of a v2 batch. */
export const BATCH_OVERHEAD_BYTES = 61
/** Sequences wrap from 2^31-1 to 0. */
export const SEQUENCE_MASK = 0x7fffffff

export interface Entry {
  readonly record: CheckedRecord
  readonly ticket: Ticket
  /** Which record of its send() this is. */
  readonly index: number
}

export interface ProducerIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

export interface Sequenced extends ProducerIdentity {
  readonly baseSequence: number
}

export interface AppendOutcome {
  readonly baseOffset: bigint
  /** -1n when the records keep their own timestamps. */
  readonly logAppendTimeMs: bigint
}

export class ProducerBatch {
  readonly topic: string
  readonly partition: number
  readonly createdMs: number
  /** Place in the order of its partition; a retried batch goes back to its place. */
  readonly order: number
  /** Orders from `order` up to `order + width` are this batch's own: its halves find their places there. */
  readonly width: number
  readonly entries: Entry[] = []
  sizeBytes = BATCH_OVERHEAD_BYTES
  isClosed = false
  attempts = 0
  lastError: KafkaError | undefined
  sequenced: Sequenced | undefined
  /** The encoded batch, kept for a retry: the broker recognises a duplicate by its sequences, which are inside. */
  encoded: Buffer | undefined

  constructor(
    place: { readonly topic: string; readonly partition: number; readonly order: number; readonly width: number },
    createdMs: number,
  ) {
    this.topic = place.topic
    this.partition = place.partition
    this.order = place.order
    this.width = place.width
    this.createdMs = createdMs
  }

  add(entry: Entry): void {
    assert(!this.isClosed, 'a closed batch takes no records')
    this.entries.push(entry)
    this.sizeBytes += entry.record.sizeBytes
  }

  /** Two batches in place of this one, in its place and with its sequences: the broker appended none of it. */
  halves(): readonly [ProducerBatch, ProducerBatch] {
    assert(this.entries.length > 1, 'one record cannot be split')
    const middle = this.entries.length >> 1
    const width = this.width / 2
    const { topic, partition, order } = this
    const first = new ProducerBatch({ topic, partition, order, width }, this.createdMs)
    const second = new ProducerBatch({ topic, partition, order: order + width, width }, this.createdMs)
    this.entries.forEach((entry, position) => (position < middle ? first : second).add(entry))
    for (const half of [first, second]) {
      half.isClosed = true
      half.attempts = this.attempts
      half.lastError = this.lastError
    }
    if (this.sequenced) {
      const { baseSequence } = this.sequenced
      first.sequenced = this.sequenced
      second.sequenced = { ...this.sequenced, baseSequence: (baseSequence + middle) & SEQUENCE_MASK }
    }
    return [first, second]
  }

  /** Forgets what the wire has seen of it, for a new epoch. */
  unsequence(): void {
    this.sequenced = undefined
    this.encoded = undefined
  }

  succeed(outcome: AppendOutcome): void {
    const { topic, partition } = this
    this.entries.forEach(({ record, ticket, index }, position) => {
      const offset = outcome.baseOffset < 0n ? -1n : outcome.baseOffset + BigInt(position)
      const timestamp = outcome.logAppendTimeMs < 0n ? record.timestamp : outcome.logAppendTimeMs
      ticket.settle(index, { topic, partition, offset, timestamp })
    })
  }

  /** `recordErrors` are the records at fault, by position; the others only shared their batch. */
  fail(error: KafkaError, recordErrors: ReadonlyMap<number, KafkaError> = new Map()): void {
    this.entries.forEach(({ ticket, index }, position) => ticket.settle(index, recordErrors.get(position) ?? error))
  }
}
