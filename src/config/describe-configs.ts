// Owns how settings are shown to admin clients: value, where it comes from, and every place that could have said otherwise.
// Invariant: the value of a password never leaves this file.
import type { BrokerConfig } from './broker-config.ts'
import { brokerSettings } from './broker-settings/index.ts'
import { type ConfigDefinition, formatValue } from './config-definition.ts'
import { ConfigSource, configTypeNumbers } from './config-names.ts'
import { TopicConfig, type TopicOverrides } from './topic-config.ts'
import { topicSettings, topicSynonyms } from './topic-settings.ts'

export interface ConfigSynonym {
  readonly name: string
  readonly value: string | null
  readonly source: number
}

/** Named as in the response of DescribeConfigs. */
export interface ConfigEntry {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  readonly isDefault: boolean
  readonly configSource: number
  readonly isSensitive: boolean
  readonly synonyms: readonly ConfigSynonym[]
  readonly configType: number
  readonly documentation: string
}

/** The settings of a topic, in order of names; only the wanted ones when given. */
export function describeTopicConfigs(
  broker: BrokerConfig,
  overrides: TopicOverrides,
  wanted: ReadonlySet<string> | null = null,
): readonly ConfigEntry[] {
  const topic = new TopicConfig(broker, overrides)
  return shown(topicSettings.values(), overrides, wanted).map(definition => {
    const { name } = definition
    const value = topic.text(name)
    const own = overrides.has(name) ? [{ name, value, source: ConfigSource.DYNAMIC_TOPIC_CONFIG }] : []
    const inherited = (topicSynonyms[name] ?? []).map(synonym => synonym.name)
    return entry(definition, value, [...own, ...brokerSynonyms(broker, inherited)], false)
  })
}

/** The settings of a broker: all documented ones, and whatever else its file sets. */
export function describeBrokerConfigs(
  broker: BrokerConfig,
  wanted: ReadonlySet<string> | null = null,
): readonly ConfigEntry[] {
  const definitions = shown(brokerSettings.values(), broker.settings, wanted)
  const known = definitions.map(definition => {
    const value = formatValue(definition, broker.value(definition.name))
    return entry(definition, value, brokerSynonyms(broker, [definition.name]), definition.mode === 'read-only')
  })
  const unknown = [...broker.settings.keys()].filter(name => !brokerSettings.has(name) && (wanted?.has(name) ?? true))
  return [...known, ...unknown.map(unknownEntry)]
}

function shown(
  definitions: Iterable<ConfigDefinition>,
  set: ReadonlyMap<string, string>,
  wanted: ReadonlySet<string> | null,
): readonly ConfigDefinition[] {
  return [...definitions].filter(
    ({ name, internal }) => (wanted?.has(name) ?? true) && (!internal || set.has(name) || wanted !== null),
  )
}

function entry(
  definition: ConfigDefinition,
  value: string | null,
  synonyms: readonly ConfigSynonym[],
  readOnly: boolean,
): ConfigEntry {
  const isSensitive = definition.type === 'password'
  const configSource = synonyms[0]?.source ?? ConfigSource.DEFAULT_CONFIG
  return {
    name: definition.name,
    value: isSensitive ? null : value,
    readOnly,
    isDefault: configSource === ConfigSource.DEFAULT_CONFIG,
    configSource,
    isSensitive,
    synonyms: isSensitive ? synonyms.map(synonym => ({ ...synonym, value: null })) : synonyms,
    configType: configTypeNumbers[definition.type],
    documentation: definition.doc,
  }
}

/** A name nobody knows may hold anything, also a secret. */
function unknownEntry(name: string): ConfigEntry {
  return {
    name,
    value: null,
    readOnly: true,
    isDefault: false,
    configSource: ConfigSource.STATIC_BROKER_CONFIG,
    isSensitive: true,
    synonyms: [{ name, value: null, source: ConfigSource.STATIC_BROKER_CONFIG }],
    configType: 0,
    documentation: '',
  }
}

/** First all that the file sets, then all defaults. As in Kafka the list begins with the first name, or is empty:
 *  a retention set in hours is told as the default of retention.ms. */
function brokerSynonyms(broker: BrokerConfig, names: readonly string[]): readonly ConfigSynonym[] {
  const found: ConfigSynonym[] = []
  for (const name of names) {
    const value = broker.settings.get(name)
    if (value !== undefined) found.push({ name, value, source: ConfigSource.STATIC_BROKER_CONFIG })
  }
  for (const name of names) {
    const value = broker.defaultText(name)
    if (value !== null) found.push({ name, value, source: ConfigSource.DEFAULT_CONFIG })
  }
  const first = found.findIndex(synonym => synonym.name === names[0])
  return first < 0 ? [] : found.slice(first)
}
