// Owns what the exit status of `millrace` means. Documented in docs/guide; scripts rely on it: numbers never change meaning.

export const ExitCode = {
  /** Done; for `start`: drained and closed cleanly. */
  OK: 0,
  /** Something failed that has no number of its own; the line on standard error says what. */
  FAILURE: 1,
  /** The command line is wrong: unknown command or flag, missing or malformed argument. */
  USAGE: 2,
  /** A configuration file cannot be read, or a property is unknown or has a bad value. */
  CONFIGURATION: 3,
  /** A listener's address cannot be bound: in use, not allowed or not of this machine. */
  ADDRESS: 4,
  /** Another process has the data directory open. */
  LOCKED: 5,
  /** The data directory cannot be written, failed, or belongs to another node or cluster. */
  DATA_DIRECTORY: 6,
  /** The native core is missing or does not load on this machine. */
  NATIVE_CORE: 7,
  /** No broker answers at the bootstrap address. */
  UNREACHABLE: 8,
  /** The broker answered with a Kafka error. */
  REFUSED: 9,
  /** `log verify` found something wrong, or `log repair` left something so. */
  DAMAGED: 10,
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

/** A failure whose message is the whole story for the user: printed as one line, no stack. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}
