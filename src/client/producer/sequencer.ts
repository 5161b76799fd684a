// Owns the producer id, its epoch and the next sequence of each partition. Pure. Never sends.
// Invariant: sequences of a partition are handed out without a gap within an epoch, wrap after 2^31-1, and start at 0 in a new epoch.
//
//   none     → fetching   an id is needed: InitProducerId goes out
//   fetching → ready      the answer came; fetching → none on a retriable failure
//   ready    → draining   a sequence was lost (bumpWanted): nothing more goes out under this epoch
//   draining → ready      everything in flight is settled: the epoch goes up by one, all sequences start anew (KIP-360)
//   draining → none       the epoch is used up: a new id is needed
import { assert } from '#host'
import { type ProducerBatch, type ProducerIdentity, SEQUENCE_MASK } from './producer-batch.ts'

export type SequencerState = 'none' | 'fetching' | 'ready' | 'draining'

const EPOCH_MAX = 32_767

export class Sequencer {
  #state: SequencerState = 'none'
  #identity: ProducerIdentity | undefined
  readonly #nextSequence = new Map<string, number>()

  get state(): SequencerState {
    return this.#state
  }

  get identity(): ProducerIdentity | undefined {
    return this.#identity
  }

  fetchStarted(): void {
    assert(this.#state === 'none', 'one InitProducerId at a time')
    this.#state = 'fetching'
  }

  fetchFailed(): void {
    assert(this.#state === 'fetching', 'only a running InitProducerId can fail')
    this.#state = 'none'
  }

  fetched(identity: ProducerIdentity): void {
    assert(this.#state === 'fetching', 'only a running InitProducerId can answer')
    this.#identity = identity
    this.#nextSequence.clear()
    this.#state = 'ready'
  }

  /** Gives a batch its sequences. A batch that has them, under this epoch, keeps them. */
  sequence(batch: ProducerBatch): void {
    assert(this.#state === 'ready' && this.#identity !== undefined, 'sequences need a producer id')
    if (batch.sequenced) {
      assert(batch.sequenced.producerEpoch === this.#identity.producerEpoch, 'no batch of an old epoch is sent again')
      return
    }
    const key = partitionKey(batch)
    const baseSequence = this.#nextSequence.get(key) ?? 0
    batch.sequenced = { ...this.#identity, baseSequence }
    this.#nextSequence.set(key, (baseSequence + batch.entries.length) & SEQUENCE_MASK)
  }

  /** A batch that may or may not be in the log was given up, or the broker lost our state: only a new epoch is safe. */
  bumpWanted(): void {
    if (this.#state === 'ready') this.#state = 'draining'
  }

  /** Call when nothing is in flight any more. Batches still queued must be unsequenced. */
  drained(): void {
    assert(this.#state === 'draining' && this.#identity !== undefined, 'an epoch is bumped only while draining')
    this.#nextSequence.clear()
    if (this.#identity.producerEpoch >= EPOCH_MAX) {
      this.#identity = undefined
      this.#state = 'none'
      return
    }
    this.#identity = { ...this.#identity, producerEpoch: this.#identity.producerEpoch + 1 }
    this.#state = 'ready'
  }

  /** The broker refuses the epoch itself: start over with a new id once nothing is in flight. */
  restartWanted(): void {
    if (this.#identity) this.#identity = { ...this.#identity, producerEpoch: EPOCH_MAX }
    this.bumpWanted()
  }
}

function partitionKey(batch: ProducerBatch): string {
  return `${batch.partition} ${batch.topic}`
}
