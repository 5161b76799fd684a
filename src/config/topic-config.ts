// Owns the settings one topic has: its own, else the broker's under their other names, else the defaults.
// Invariant: overrides hold only names and values that validateTopicOverrides let pass, or that an older version stored.
import { type BrokerConfig, safeNumber } from './broker-config.ts'
import { type ConfigDefinition, type ConfigValue, formatValue, parseValue } from './config-definition.ts'
import { ConfigError } from './config-error.ts'
import { nearestName } from './nearest-name.ts'
import { type TopicSettingName, type TopicSettingValue, topicSettings, topicSynonyms } from './topic-settings.ts'

export type TopicOverrides = ReadonlyMap<string, string>

export class TopicConfig {
  readonly #broker: BrokerConfig
  readonly overrides: TopicOverrides

  constructor(broker: BrokerConfig, overrides: TopicOverrides) {
    this.#broker = broker
    this.overrides = overrides
  }

  get<Name extends TopicSettingName>(name: Name): TopicSettingValue<Name> {
    return this.value(name) as TopicSettingValue<Name>
  }

  /** A numeric setting as a number; what a number cannot hold ("no limit") is Number.MAX_SAFE_INTEGER. */
  number(name: TopicSettingName): number {
    return safeNumber(this.value(name)) as number
  }

  value(name: string): ConfigValue {
    const definition = topicSettings.get(name)
    if (!definition) throw new TypeError(`'${name}' is not a setting of a topic`)
    const own = this.overrides.get(name)
    return own === undefined ? brokerValue(this.#broker, definition) : parseValue(definition, own)
  }

  /** The value in the form DescribeConfigs shows. */
  text(name: string): string | null {
    return formatValue(topicSettings.get(name) as ConfigDefinition, this.value(name))
  }
}

/** What a topic has that does not set this itself. */
function brokerValue(broker: BrokerConfig, definition: ConfigDefinition): ConfigValue {
  for (const { name, factorMs } of topicSynonyms[definition.name] ?? []) {
    const value = broker.value(name)
    if (value === null) continue
    const inTopicUnits = factorMs === undefined ? value : BigInt(value as number) * BigInt(factorMs)
    // Retention by time knows one kind of "for ever", written -1, whatever negative number the broker's file has.
    return definition.name === 'retention.ms' && (inTopicUnits as bigint) < 0n ? -1n : inTopicUnits
  }
  return parseValue(definition, definition.defaultText)
}

/** Checks what somebody wants a topic to override, each value and all of them together. Throws ConfigError. */
export function validateTopicOverrides(broker: BrokerConfig, overrides: TopicOverrides): void {
  for (const [name, text] of overrides) {
    const definition = topicSettings.get(name)
    if (!definition) throw new ConfigError(unknownTopicSetting(name))
    parseValue(definition, text)
  }
  const topic = new TopicConfig(broker, overrides)
  const minLagMs = topic.get('min.compaction.lag.ms')
  const maxLagMs = topic.get('max.compaction.lag.ms')
  if (minLagMs > maxLagMs) {
    throw new ConfigError(
      `min.compaction.lag.ms (${minLagMs}) must not be greater than max.compaction.lag.ms (${maxLagMs})`,
    )
  }
  if (topic.get('remote.storage.enable')) {
    throw new ConfigError('remote.storage.enable: tiered storage is off on this broker, so no topic can use it')
  }
}

function unknownTopicSetting(name: string): string {
  const nearest = nearestName(name, topicSettings.keys())
  return nearest === null
    ? `Unknown topic config name: ${name}`
    : `Unknown topic config name: ${name}. Did you mean ${nearest}?`
}
