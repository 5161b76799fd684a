// Owns the reading of Kafka's properties files and of `name=value` overrides. Never judges names or values.
import { createRequire } from 'node:module'
import { ConfigError } from './config-error.ts'

/** Loaded when a file is read: it costs 2.5 ms, which a start without a file need not pay. */
const load = createRequire(import.meta.url)

/** Java's properties format: escapes, continued lines, `=`, `:` or white space between key and value, later lines win. */
export function parseProperties(text: string): ReadonlyMap<string, string> {
  const { getProperties } = load('properties-file') as typeof import('properties-file')
  try {
    return new Map(Object.entries(getProperties(text)))
  } catch (error) {
    throw new ConfigError(`The properties file cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

/** `--override name=value`; the value may hold further equals signs. */
export function parseOverride(text: string): readonly [name: string, value: string] {
  const equals = text.indexOf('=')
  const name = text.slice(0, equals).trim()
  if (equals < 0 || name === '') throw new ConfigError(`'${text}' is not an override: write it as name=value`)
  return [name, text.slice(equals + 1).trim()]
}
