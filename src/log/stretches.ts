// Owns which stretches of the log a handle has in memory: found by offset, bounded, and dropped when the log was cut.
// Never decides what a reader sees. Invariant: a stretch of an older generation is never found.
import type { EmbeddedHandle } from '#native'
import { logErrorOf } from './log-error.ts'
import { Stretch } from './stretch.ts'

/** Bytes of one mapped stretch: few enough to check at once, many enough that a map pays. */
const MAPPED_SPAN_BYTES = 4 * 1024 * 1024
/** Bytes of one stretch where bytes must be copied. */
const COPIED_SPAN_BYTES = 64 * 1024
/** Mapped bytes a handle keeps for random reads: address space, not memory. */
const MAPPED_BYTES_MAX = 8 * 1024 * 1024 * 1024
/** Copied bytes a handle keeps for random reads. */
const COPIED_BYTES_MAX = 64 * 1024 * 1024

export class Stretches {
  readonly #handle: EmbeddedHandle
  readonly #spanBytes: number
  readonly #bytesMax: number
  /** Ascending by base offset; they may overlap at the end of the log. */
  #stretches: Stretch[] = []
  #bytes = 0
  #generation = 0
  #last: Stretch | null = null

  constructor(handle: EmbeddedHandle) {
    this.#handle = handle
    this.#spanBytes = handle.mayLend ? MAPPED_SPAN_BYTES : COPIED_SPAN_BYTES
    this.#bytesMax = handle.mayLend ? MAPPED_BYTES_MAX : COPIED_BYTES_MAX
  }

  /** The stretch that holds `offset`, which is readable. Null when nothing is there after all. */
  at(offset: number): Stretch | null {
    const generation = this.#handle.generation
    if (generation !== this.#generation) this.#forget(generation)
    const last = this.#last
    if (last !== null && offset >= last.baseOffset && offset < last.endOffset) return last
    const found = this.#find(offset)
    if (found !== null) {
      this.#last = found
      return found
    }
    return this.#load(offset)
  }

  #find(offset: number): Stretch | null {
    const stretches = this.#stretches
    let low = 0
    let high = stretches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((stretches[middle] as Stretch).baseOffset <= offset) low = middle + 1
      else high = middle
    }
    const found = stretches[low - 1]
    return found !== undefined && offset < found.endOffset ? found : null
  }

  #load(offset: number): Stretch | null {
    let raw
    try {
      raw = this.#handle.stretch(offset, this.#spanBytes)
    } catch (cause) {
      throw logErrorOf(cause)
    }
    if (raw === null) return null
    const stretch = new Stretch(raw, this.#generation)
    this.#keep(stretch)
    this.#last = stretch
    return stretch
  }

  #keep(stretch: Stretch): void {
    const stretches = this.#stretches
    let index = stretches.findIndex(known => known.baseOffset >= stretch.baseOffset)
    if (index === -1) index = stretches.length
    const same = stretches[index]
    const replaces = same !== undefined && same.baseOffset === stretch.baseOffset
    if (replaces) this.#bytes -= same.bytes.length
    stretches.splice(index, replaces ? 1 : 0, stretch)
    this.#bytes += stretch.bytes.length
    while (this.#bytes > this.#bytesMax && stretches.length > 1) {
      // Any but the one just loaded: random reads have no order to learn from.
      const victim = index === 0 ? stretches.length - 1 : 0
      const [gone] = stretches.splice(victim, 1)
      this.#bytes -= gone?.bytes.length ?? 0
      if (victim < index) index -= 1
    }
  }

  #forget(generation: number): void {
    this.#stretches = []
    this.#bytes = 0
    this.#last = null
    this.#generation = generation
  }
}
