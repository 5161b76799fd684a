// Owns the one error class of the embedded log. Callers match on `code`, never on the message.
import { NativeError } from '#native'

export type LogErrorCode =
  /** An option or argument makes no sense; the message names it and the fix. */
  | 'INVALID_ARGUMENT'
  /** A record cannot be written as it is. */
  | 'INVALID_RECORD'
  /** A record does not fit into a segment. */
  | 'RECORD_TOO_LARGE'
  /** The log has another writer, in this process or another one. */
  | 'LOCKED'
  /** The directory belongs to a broker. */
  | 'BROKER_OWNED'
  /** The handle only reads. */
  | 'READ_ONLY'
  /** The handle is closed. */
  | 'CLOSED'
  /** The offset lies outside the log. */
  | 'OFFSET_OUT_OF_RANGE'
  /** Bytes on disk are not what was written. */
  | 'CORRUPT'
  /** There is no room on the disk. What was lost was not written; later appends may succeed. */
  | 'DISK_FULL'
  /** Any other failure of the disk. */
  | 'IO'
  /** The directory cannot be opened as a log. */
  | 'UNREADABLE'
  /** There is no log to read in the directory. */
  | 'NOT_FOUND'
  /** A view was used after its batch was replaced by the next one. */
  | 'STALE_VIEW'

export class LogError extends Error {
  override readonly name = 'LogError'
  readonly code: LogErrorCode

  constructor(code: LogErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** The same failure, as this door's callers know it. */
export function logErrorOf(cause: unknown): unknown {
  return cause instanceof NativeError ? new LogError(cause.code as LogErrorCode, cause.message, { cause }) : cause
}
