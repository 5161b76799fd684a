// Owns what a setting is: its name, type, default, limits, and how its text becomes a value and back.
// Invariant: parse(format(parse(text))) equals parse(text); a parsed value has passed every check of its definition.
import { ConfigError } from './config-error.ts'

export type ConfigType = 'boolean' | 'string' | 'int' | 'short' | 'long' | 'double' | 'list' | 'class' | 'password'
export type Importance = 'high' | 'medium' | 'low'
/** read-only: at start; per-broker: while running, for one broker; cluster-wide: while running, also as the default of all. */
export type UpdateMode = 'read-only' | 'per-broker' | 'cluster-wide'

/** int64 settings are bigints, the other numbers numbers, lists arrays of strings. */
export type ConfigValue = boolean | string | number | bigint | readonly string[] | null

export interface Limits {
  readonly min?: number
  readonly max?: number
  /** One more number that is allowed outside min..max. */
  readonly also?: number
  readonly oneOf?: readonly string[]
  readonly ignoreCase?: true
  readonly nonEmpty?: true
  /** For lists: no values at all is fine. */
  readonly mayBeEmpty?: true
  /** For lists: `partition:broker` pairs, or `*`. */
  readonly replicaPairs?: true
}

export interface SettingOptions extends Limits {
  readonly mode?: UpdateMode
  /** Not part of the documented surface: accepted, described only when set. */
  readonly internal?: true
}

export interface ConfigDefinition<
  Name extends string = string,
  Type extends ConfigType = ConfigType,
  Default extends string | null = string | null,
> {
  readonly name: Name
  readonly type: Type
  /** Text form; null when the setting is unset by default. */
  readonly defaultText: Default
  readonly importance: Importance
  readonly doc: string
  readonly limits: Limits
  readonly mode: UpdateMode
  readonly internal: boolean
}

/** What a setting of this type holds. */
export type ValueOfType<Type extends ConfigType> = Type extends 'boolean'
  ? boolean
  : Type extends 'int' | 'short' | 'double'
    ? number
    : Type extends 'long'
      ? bigint
      : Type extends 'list'
        ? readonly string[]
        : string

export type ValueOfSetting<Definition> =
  Definition extends ConfigDefinition<string, infer Type, infer Default>
    ? null extends Default
      ? ValueOfType<Type> | null
      : ValueOfType<Type>
    : never

// biome-ignore format: one parameter a line says nothing more
export function setting<const Name extends string, const Type extends ConfigType, const Default extends string | null>(
  name: Name, type: Type, defaultText: Default, importance: Importance, doc: string, options: SettingOptions = {},
): ConfigDefinition<Name, Type, Default> {
  const { mode = 'read-only', internal = false } = options
  return { name, type, defaultText, importance, doc, limits: options, mode, internal }
}

/** Throws ConfigError, naming the setting, the value and what would be right. */
export function parseValue(definition: ConfigDefinition, text: string | null): ConfigValue {
  if (text === null) {
    if (definition.defaultText === null) return null
    throw new ConfigError(`Configuration ${definition.name} needs a value.`)
  }
  const value = parseType(definition, text.trim())
  const complaint = checkLimits(definition, value)
  if (complaint !== null) throw invalid(definition, text, complaint)
  return value
}

/** The value as DescribeConfigs shows it, with Java's spelling of doubles. */
export function formatValue(definition: ConfigDefinition, value: ConfigValue): string | null {
  if (value === null) return null
  if (Array.isArray(value)) return value.join(',')
  return definition.type === 'double' ? javaDouble(value as number) : String(value)
}

function invalid(definition: ConfigDefinition, text: string, complaint: string): ConfigError {
  const shown = definition.type === 'password' ? '[hidden]' : text
  return new ConfigError(`Invalid value ${shown} for configuration ${definition.name}: ${complaint}`)
}

const INT_RANGES = {
  short: [-(2n ** 15n), 2n ** 15n - 1n],
  int: [-(2n ** 31n), 2n ** 31n - 1n],
  long: [-(2n ** 63n), 2n ** 63n - 1n],
} as const

function parseType(definition: ConfigDefinition, text: string): ConfigValue {
  const { type } = definition
  switch (type) {
    case 'boolean': {
      const lower = text.toLowerCase()
      if (lower !== 'true' && lower !== 'false') throw invalid(definition, text, 'Expected true or false')
      return lower === 'true'
    }
    case 'short':
    case 'int':
    case 'long': {
      if (!/^[+-]?\d+$/.test(text)) throw invalid(definition, text, `Not a number of type ${type.toUpperCase()}`)
      const value = BigInt(text.replace('+', ''))
      const [lowest, highest] = INT_RANGES[type]
      if (value < lowest || value > highest)
        throw invalid(definition, text, `Not a number of type ${type.toUpperCase()}`)
      return type === 'long' ? value : Number(value)
    }
    case 'double': {
      const value = Number(text)
      if (text === '' || Number.isNaN(value)) throw invalid(definition, text, 'Not a number of type DOUBLE')
      return value
    }
    case 'list':
      return text === '' ? [] : text.split(/\s*,\s*/)
    case 'string':
    case 'class':
    case 'password':
      return text
    default:
      return type satisfies never
  }
}

/** What is wrong with the value, or null. */
function checkLimits(definition: ConfigDefinition, value: ConfigValue): string | null {
  const { limits } = definition
  if (typeof value === 'number' || typeof value === 'bigint') return checkRange(limits, value)
  if (Array.isArray(value)) return checkList(limits, value)
  if (typeof value !== 'string') return null
  if (limits.nonEmpty && value === '') return 'It must not be empty'
  return checkOneOf(limits, value)
}

function checkRange(limits: Limits, value: number | bigint): string | null {
  if (limits.also !== undefined && Number(value) === limits.also) return null
  const also = limits.also === undefined ? '' : `, or ${limits.also}`
  if (limits.min !== undefined && value < limits.min) return `Value must be at least ${limits.min}${also}`
  if (limits.max !== undefined && value > limits.max) return `Value must be no more than ${limits.max}${also}`
  return null
}

function checkList(limits: Limits, values: readonly string[]): string | null {
  if (values.length === 0) return limits.mayBeEmpty ? null : 'The list must not be empty'
  if (values.some(value => value === '')) return 'The list has an empty entry: remove the extra comma'
  if (limits.replicaPairs) return checkReplicaPairs(values)
  const twice = values.find((value, index) => values.indexOf(value) !== index)
  if (twice !== undefined) return `'${twice}' appears twice`
  for (const value of values) {
    const complaint = checkOneOf(limits, value)
    if (complaint !== null) return complaint
  }
  return null
}

function checkOneOf(limits: Limits, value: string): string | null {
  if (limits.oneOf === undefined) return null
  const known = limits.ignoreCase
    ? limits.oneOf.some(one => one.toLowerCase() === value.toLowerCase())
    : limits.oneOf.includes(value)
  return known ? null : `'${value}' must be one of: ${limits.oneOf.join(', ')}`
}

function checkReplicaPairs(values: readonly string[]): string | null {
  if (values.length === 1 && values[0] === '*') return null
  return values.every(value => /^\d+:\d+$/.test(value))
    ? null
    : "Expected '*' or pairs of partition and broker: 0:1,1:2"
}

/** Double.toString: always a fraction, and an exponent from 1E7 up or below 1E-3. */
function javaDouble(value: number): string {
  const magnitude = Math.abs(value)
  if (magnitude === 0 || (magnitude >= 1e-3 && magnitude < 1e7)) {
    const text = String(value)
    return text.includes('.') ? text : `${text}.0`
  }
  const [digits = '', exponent = ''] = value.toExponential().split('e')
  return `${digits.includes('.') ? digits : `${digits}.0`}E${exponent.replace('+', '')}`
}
