// Owns how the client names a failure: a broker's error code, a broken connection, a missed deadline, a closed client.
// Never retries. Invariant: everything the client throws is a KafkaError, or the reason of the caller's own AbortSignal.
import { ErrorCode, errorOf, KafkaError } from '#protocol'
import { type BrokerAddress, formatAddress } from './bootstrap-servers.ts'

export { ErrorCode, KafkaError }

/** The error a broker answered with, told with what we were doing: `subject: Kafka's own message`. */
export function kafkaErrorOf(errorCode: number, subject?: string, detail?: string | null): KafkaError {
  const entry = errorOf(errorCode)
  const message = detail !== undefined && detail !== null && detail !== '' ? detail : entry.message
  return new KafkaError(entry.name, subject === undefined ? message : `${subject}: ${message}`)
}

/** A connection could not be made, or broke. Retriable: another attempt, or another broker, may do. */
export class ConnectionError extends KafkaError {
  override name = 'ConnectionError'
  readonly address: string

  constructor(address: BrokerAddress, detail: string, cause?: unknown) {
    const text = formatAddress(address)
    super('NETWORK_EXCEPTION', `${text}: ${detail}`, cause === undefined ? undefined : { cause })
    this.address = text
  }
}

/** No address of the bootstrap list led to a broker, for as long as the client was told to try. Not worth another attempt. */
export class UnreachableError extends KafkaError {
  override name = 'UnreachableError'
  override readonly retriable = false

  constructor(addresses: readonly BrokerAddress[], cause: unknown) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    const list = addresses.map(formatAddress).join(', ')
    super('NETWORK_EXCEPTION', addresses.length === 1 ? detail : `none of ${list} answers; ${detail}`, { cause })
  }
}

/** The client was closed under the call, or before it. */
export class ClientClosedError extends KafkaError {
  override name = 'ClientClosedError'

  constructor(what: string) {
    super('INVALID_REQUEST', `the ${what} is closed`)
  }
}

export function timedOut(what: string, timeoutMs: number, cause?: unknown): KafkaError {
  const message = `${what} took longer than ${Math.round(timeoutMs)} ms`
  return new KafkaError('REQUEST_TIMED_OUT', message, cause === undefined ? undefined : { cause })
}

/** What a caught value becomes when it has to be a KafkaError: itself, or the cause of an UNKNOWN_SERVER_ERROR. */
export function asKafkaError(caught: unknown): KafkaError {
  if (caught instanceof KafkaError) return caught
  const message = caught instanceof Error ? caught.message : String(caught)
  return new KafkaError('UNKNOWN_SERVER_ERROR', message, { cause: caught })
}

/** Errors that say our picture of the cluster is old: look again before the next attempt. */
const STALE_METADATA: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REPLICA_NOT_AVAILABLE,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.INCONSISTENT_TOPIC_ID,
  ErrorCode.NETWORK_EXCEPTION,
])

export function meansStaleMetadata(errorCode: number): boolean {
  return STALE_METADATA.has(errorCode)
}
