// Owns the block of producer ids the controller gave this broker. Never hands out an id twice.
// Invariant: ids come from blocks committed to the metadata log; a restart wastes the rest of a block and repeats nothing.
import { assert } from '#host'
import { allocateProducerIds, KafkaError } from '#protocol'
import type { ControllerChannel } from './controller-channel.ts'

const ALLOCATE_VERSION = 0
/** The next block is asked for while this much of the current one is left, so that no producer waits for it. */
const PREFETCH_BELOW = 0.1

interface Block {
  next: bigint
  readonly end: bigint
  readonly length: number
}

export class ProducerIds {
  readonly #channel: ControllerChannel
  readonly #nodeId: number
  readonly #brokerEpoch: () => bigint
  #block: Block | undefined
  #following: Promise<Block> | undefined

  constructor(options: {
    readonly channel: ControllerChannel
    readonly nodeId: number
    readonly brokerEpoch: () => bigint
  }) {
    this.#channel = options.channel
    this.#nodeId = options.nodeId
    this.#brokerEpoch = options.brokerEpoch
  }

  async next(): Promise<bigint> {
    for (;;) {
      const block = this.#block
      if (block !== undefined && block.next < block.end) {
        const id = block.next
        block.next += 1n
        this.#prefetch(block)
        return id
      }
      this.#following ??= this.#allocate()
      const following = this.#following
      try {
        const next = await following
        // Everyone who waited for this block comes by; the first puts it in place.
        if (this.#following === following) {
          this.#block = next
          this.#following = undefined
        }
      } catch (error) {
        if (this.#following === following) this.#following = undefined
        throw error
      }
    }
  }

  #prefetch(block: Block): void {
    if (this.#following !== undefined || Number(block.end - block.next) >= block.length * PREFETCH_BELOW) return
    this.#following = this.#allocate()
    // A failure shows when the block is used up and someone waits; then it is tried again.
    this.#following.catch(() => {})
  }

  async #allocate(): Promise<Block> {
    const { response } = await this.#channel.send(allocateProducerIds, ALLOCATE_VERSION, {
      brokerId: this.#nodeId,
      brokerEpoch: this.#brokerEpoch(),
    })
    if (response.errorCode !== 0) throw KafkaError.of(response.errorCode)
    assert(response.producerIdLen > 0, 'a block of producer ids is not empty')
    return {
      next: response.producerIdStart,
      end: response.producerIdStart + BigInt(response.producerIdLen),
      length: response.producerIdLen,
    }
  }
}
