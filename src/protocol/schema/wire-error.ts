// Owns the one error of malformed bytes. Invariant: bytes that came from outside never cause any other error in this folder.
import { KafkaError } from '../kafka-error.ts'

export type WireFault =
  | 'truncated' // a field reaches past the end
  | 'length' // a negative or too large length or count
  | 'varint' // more bytes than the type can hold
  | 'utf8' // a string that is not UTF-8
  | 'null' // null where the version has none
  | 'tag' // tagged fields out of order, or a body longer or shorter than its declared size
  | 'value' // a value outside its range

export class WireError extends KafkaError {
  readonly fault: WireFault
  /** Dotted path of the field, filled in while the error passes outwards. */
  path = ''

  constructor(fault: WireFault, message: string) {
    super('INVALID_REQUEST', message)
    this.name = 'WireError'
    this.fault = fault
  }

  within(name: string): this {
    this.path = this.path === '' ? name : `${name}.${this.path}`
    return this
  }

  /** Completes the message once the whole path is known. */
  of(message: string): this {
    this.message = `${message} ${this.path}: ${this.message} [${this.fault}]`
    return this
  }
}

/** We were asked to encode something the version cannot carry: the caller's mistake. */
export class EncodeError extends KafkaError {
  constructor(path: string, cause: unknown) {
    const inner = cause instanceof EncodeError ? cause : undefined
    super(
      cause instanceof KafkaError ? cause.code : 'INVALID_REQUEST',
      inner ? `${path}.${inner.message}` : `${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause: inner?.cause ?? cause },
    )
    this.name = 'EncodeError'
  }
}
