// Owns the outcome of one send(): which of its records are settled and how. Invariant: each record is settled exactly once, and the
// ticket resolves when the last one is. One promise a send, not one a record.
import { assert } from '#host'
import type { KafkaError } from '../network/kafka-errors.ts'
import type { RecordMetadata } from './record.ts'

export type SendResult = RecordMetadata | KafkaError

export class Ticket {
  readonly settled: Promise<readonly SendResult[]>
  readonly #results: (SendResult | undefined)[]
  #left: number
  #resolve!: (results: readonly SendResult[]) => void

  constructor(recordCount: number) {
    this.#results = Array.from({ length: recordCount })
    this.#left = recordCount
    this.settled = new Promise(resolve => {
      this.#resolve = resolve
    })
    if (recordCount === 0) this.#resolve([])
  }

  settle(index: number, result: SendResult): void {
    assert(this.#results[index] === undefined, 'a record is settled once')
    this.#results[index] = result
    this.#left -= 1
    if (this.#left === 0) this.#resolve(this.#results as SendResult[])
  }
}
