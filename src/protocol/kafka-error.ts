// Owns the one error type that carries a Kafka error code. Invariant: name, number and retriability come from the table.
import { errorNamed, errorOf, type ErrorName } from './error-codes.ts'

export class KafkaError extends Error {
  /** Name in Kafka's error table, e.g. 'NOT_LEADER_OR_FOLLOWER'. */
  readonly code: ErrorName
  /** The number on the wire. */
  readonly errorCode: number
  readonly retriable: boolean

  constructor(code: ErrorName, message?: string, options?: ErrorOptions) {
    const info = errorNamed(code)
    super(message ?? info.message, options)
    this.name = 'KafkaError'
    this.code = code
    this.errorCode = info.code
    this.retriable = info.retriable
  }

  /** The error of a number from the wire. */
  static of(errorCode: number, message?: string | null, options?: ErrorOptions): KafkaError {
    return new KafkaError(errorOf(errorCode).name, message ?? undefined, options)
  }
}
