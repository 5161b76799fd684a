// Owns the one error type the native core's failures become. Never decides what a failure means for a client.
// Invariant: `code` is a stable word (`LOCKED`, `EADDRINUSE`, `UNWRITABLE`, ...); callers match on it, never on the message.

/** A failure reported by the native core: `code` says what kind, `message` says what and where. */
export class NativeError extends Error {
  override readonly name = 'NativeError'
  readonly code: string

  constructor(code: string, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** Runs one native call and turns what it throws into a NativeError. */
export function callNative<T>(call: () => T): T {
  try {
    return call()
  } catch (cause) {
    throw asNativeError(cause)
  }
}

export function asNativeError(cause: unknown): NativeError {
  if (cause instanceof NativeError) return cause
  if (!(cause instanceof Error)) return new NativeError('UNKNOWN', String(cause), { cause })
  const code = (cause as { code?: unknown }).code
  return new NativeError(typeof code === 'string' ? code : 'UNKNOWN', cause.message, { cause })
}
