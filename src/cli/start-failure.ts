// Owns the translation of what can go wrong at start into one line and an exit status.
import { CommandFailure, ExitCode } from './exit-codes.ts'

const CODES: Readonly<Record<string, ExitCode>> = {
  EADDRINUSE: ExitCode.ADDRESS,
  EADDRNOTAVAIL: ExitCode.ADDRESS,
  // Of all that is opened at start only a port is refused by permission: directories are UNWRITABLE.
  EACCES: ExitCode.ADDRESS,
  ENOTFOUND: ExitCode.ADDRESS,
  LOCKED: ExitCode.LOCKED,
  UNWRITABLE: ExitCode.DATA_DIRECTORY,
  UNREADABLE: ExitCode.DATA_DIRECTORY,
  BAD_META_PROPERTIES: ExitCode.DATA_DIRECTORY,
  OTHER_CLUSTER: ExitCode.DATA_DIRECTORY,
  REFUSED_DIRECTORY: ExitCode.DATA_DIRECTORY,
  OTHER_NODE: ExitCode.DATA_DIRECTORY,
  DUPLICATE_DIRECTORY: ExitCode.DATA_DIRECTORY,
  DUPLICATE_PARTITION: ExitCode.DATA_DIRECTORY,
  IO: ExitCode.DATA_DIRECTORY,
  KAFKA_STORAGE_ERROR: ExitCode.DATA_DIRECTORY,
  ADDON_MISSING: ExitCode.NATIVE_CORE,
  ADDON_UNLOADABLE: ExitCode.NATIVE_CORE,
}
const CONFIGURATION_ERRORS: ReadonlySet<string> = new Set(['ConfigError', 'ConfigFault'])

export function startFailure(error: unknown): CommandFailure {
  if (error instanceof CommandFailure) return error
  if (!(error instanceof Error)) return new CommandFailure(ExitCode.FAILURE, String(error), { cause: error })
  if (CONFIGURATION_ERRORS.has(error.name)) {
    return new CommandFailure(ExitCode.CONFIGURATION, error.message, { cause: error })
  }
  const code = (error as { code?: unknown }).code
  const exitCode = (typeof code === 'string' ? CODES[code] : undefined) ?? ExitCode.FAILURE
  return new CommandFailure(exitCode, error.message, { cause: error })
}
