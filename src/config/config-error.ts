// Owns the failure of configuration: the message names the mistake and the fix, and is fit to be shown to a user as it is.
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'INVALID_CONFIG'
}
