// Owns where each leader epoch of the metadata log begins, so that an observer that went another way is told from where.
// Invariant: epochs and offsets rise together.
export interface EpochStart {
  readonly epoch: number
  readonly startOffset: bigint
}

export interface EpochEnd {
  readonly epoch: number
  readonly endOffset: bigint
}

export class EpochStarts {
  readonly #starts: EpochStart[] = []

  /** A batch of `epoch` lies at `offset`. Costs nothing unless the epoch is new. */
  note(epoch: number, offset: bigint): void {
    const last = this.#starts.at(-1)
    if (last === undefined || epoch > last.epoch) this.#starts.push({ epoch, startOffset: offset })
  }

  /** The last epoch at or below the given one, and where it ends. Null when the log begins later. */
  endOf(epoch: number, logEndOffset: bigint): EpochEnd | null {
    const index = this.#starts.findLastIndex(start => start.epoch <= epoch)
    const start = this.#starts[index]
    if (start === undefined) return null
    return { epoch: start.epoch, endOffset: this.#starts[index + 1]?.startOffset ?? logEndOffset }
  }
}
