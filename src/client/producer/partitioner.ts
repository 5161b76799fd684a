// Owns the choice of a partition for a record. Pure: randomness comes in as a draw. Never looks at the value.
// Invariant: a key always maps to murmur2(key) mod partitions, over all partitions, with or without a leader, as in the Java client.
import { assert } from '#host'
import { murmur2 } from './murmur2.ts'

/** Draws a whole number in [0, maxExclusive). */
export type Draw = (maxExclusive: number) => number

export function partitionOfKey(key: Uint8Array, partitionCount: number): number {
  assert(partitionCount > 0, 'a topic has partitions')
  return (murmur2(key) & 0x7fffffff) % partitionCount
}

interface Stick {
  partition: number
  bytes: number
}

/** Keyless records of a topic stick to one partition for a batch's worth of bytes, so that batches fill (KIP-480, KIP-794). */
export class StickyPartitioner {
  readonly #stickBytes: number
  readonly #draw: Draw
  readonly #sticks = new Map<string, Stick>()

  constructor(stickBytes: number, draw: Draw) {
    this.#stickBytes = stickBytes
    this.#draw = draw
  }

  /** `available` are the partitions with a leader; when there is none, any partition has to do. */
  partitionFor(topic: string, sizeBytes: number, available: readonly number[], partitionCount: number): number {
    const stick = this.#sticks.get(topic)
    const candidates = available.length > 0 ? available : Array.from({ length: partitionCount }, (_, index) => index)
    if (stick && stick.bytes < this.#stickBytes && candidates.includes(stick.partition)) {
      stick.bytes += sizeBytes
      return stick.partition
    }
    const partition = this.#next(candidates, stick?.partition)
    this.#sticks.set(topic, { partition, bytes: sizeBytes })
    return partition
  }

  /** A new stick is another partition than the last, when there is another. */
  #next(candidates: readonly number[], last: number | undefined): number {
    const others = candidates.length > 1 ? candidates.filter(partition => partition !== last) : candidates
    const partition = others[this.#draw(others.length)]
    assert(partition !== undefined, 'a topic has partitions')
    return partition
  }
}
