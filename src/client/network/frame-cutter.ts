// Owns the cutting of a byte stream into response frames. Pure: chunks in, whole frames out; never parses what is inside a frame.
// Invariant: bytes come out in the order they came in, and no frame above the limit is ever buffered.
//
//   frame = size int32 | body (size bytes)
import { KafkaError } from '#protocol'

const SIZE_BYTES = 4

export class FrameCutter {
  readonly #frameBytesMax: number
  #size = Buffer.alloc(SIZE_BYTES)
  #sizeFilled = 0
  #body: Buffer | undefined
  #bodyFilled = 0

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax
  }

  /** Hands every frame that `chunk` completes to `onFrame`. Throws on a size no broker would send; the stream is then useless. */
  push(chunk: Buffer, onFrame: (body: Buffer) => void): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#body === undefined) {
        at = this.#takeSize(chunk, at)
        if (this.#sizeFilled < SIZE_BYTES) return
        const size = this.#readSize()
        // A frame that lies whole in this chunk is handed out as a view: no copy on the common path.
        if (chunk.length - at >= size) {
          this.#sizeFilled = 0
          const body = chunk.subarray(at, at + size)
          at += size
          onFrame(body)
          continue
        }
        this.#body = Buffer.allocUnsafeSlow(size)
        this.#bodyFilled = 0
      }
      const body: Buffer = this.#body
      const take = Math.min(body.length - this.#bodyFilled, chunk.length - at)
      chunk.copy(body, this.#bodyFilled, at, at + take)
      this.#bodyFilled += take
      at += take
      if (this.#bodyFilled === body.length) {
        this.#body = undefined
        this.#sizeFilled = 0
        onFrame(body)
      }
    }
  }

  #takeSize(chunk: Buffer, at: number): number {
    const take = Math.min(SIZE_BYTES - this.#sizeFilled, chunk.length - at)
    chunk.copy(this.#size, this.#sizeFilled, at, at + take)
    this.#sizeFilled += take
    return at + take
  }

  #readSize(): number {
    const size = this.#size.readInt32BE(0)
    if (size < SIZE_BYTES || size > this.#frameBytesMax) {
      throw new KafkaError(
        'CORRUPT_MESSAGE',
        `the peer announced a response of ${size} bytes (limit ${this.#frameBytesMax}); is this really a Kafka port?`,
      )
    }
    return size
  }
}
