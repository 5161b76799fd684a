// Owns the flags of every command that talks to a broker, and the client options made of them.
import { CommandFailure, ExitCode } from './exit-codes.ts'

export interface ConnectionFlags {
  readonly bootstrapServer: string
  readonly timeout: number
}

const TIMEOUT_SECONDS_MAX = 86_400

/** For `parameters.flags`. */
export const connectionFlags = {
  bootstrapServer: {
    kind: 'parsed',
    parse: String,
    default: '127.0.0.1:9092',
    placeholder: 'host:port',
    brief: 'Brokers to start from, separated by commas',
  },
  timeout: {
    kind: 'parsed',
    parse: parseSeconds,
    default: '10',
    placeholder: 'seconds',
    brief: 'Longest to wait for an answer, retries included',
  },
} as const

/** For `parameters.aliases`. */
export const connectionAliases = { b: 'bootstrapServer' } as const

export interface ConnectionOptions {
  readonly bootstrapServers: string
  readonly clientId: string
  readonly apiTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly bootstrapTimeoutMs: number
}

/** A command fails at once when nobody listens: whoever typed it is watching. */
export function connectionOptions(flags: ConnectionFlags): ConnectionOptions {
  const timeoutMs = flags.timeout * 1_000
  return {
    bootstrapServers: flags.bootstrapServer,
    clientId: 'millrace-cli',
    apiTimeoutMs: timeoutMs,
    connectTimeoutMs: timeoutMs,
    bootstrapTimeoutMs: 0,
  }
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (text.trim() === '' || !(seconds > 0 && seconds <= TIMEOUT_SECONDS_MAX)) {
    throw new CommandFailure(ExitCode.USAGE, `'${text}' is not a number of seconds above 0`)
  }
  return seconds
}

/** A whole number from `min` on, for `parse` of a flag. */
export function wholeNumber(min: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min) {
      throw new CommandFailure(ExitCode.USAGE, `'${text}' is not a whole number from ${min}`)
    }
    return value
  }
}

/** `name=value`; the value may hold further equals signs, and may be empty. */
export function nameAndValue(text: string): readonly [name: string, value: string] {
  const at = text.indexOf('=')
  if (at <= 0) throw new CommandFailure(ExitCode.USAGE, `'${text}' is not of the form name=value`)
  return [text.slice(0, at), text.slice(at + 1)]
}
