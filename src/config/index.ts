/** Config: every setting by Kafka's own name, with type, default, limits, documentation and where its value comes from.
 *  Owns      the tables of broker and topic settings, their parsing and validation, properties files.
 *  May touch host (to read a properties file).
 *  Never     acts on a setting, or changes one after it was loaded.
 *  Start at  broker-config.ts, then config-definition.ts; the tables are broker-settings/ and topic-settings.ts. */
export { BrokerConfig, type BrokerConfigSource, type ConfigsSource } from './broker-config.ts'
export { type BrokerSettingName, type BrokerSettingValue, brokerSettings } from './broker-settings/index.ts'
export {
  type ConfigDefinition,
  type ConfigType,
  type ConfigValue,
  formatValue,
  type Importance,
  parseValue,
  type UpdateMode,
} from './config-definition.ts'
export { ConfigError } from './config-error.ts'
export { ConfigSource, configTypeNumbers, ResourceType } from './config-names.ts'
export {
  type ConfigEntry,
  type ConfigSynonym,
  describeBrokerConfigs,
  describeTopicConfigs,
} from './describe-configs.ts'
export { nearestName } from './nearest-name.ts'
export { parseOverride, parseProperties } from './server-properties.ts'
export { TopicConfig, type TopicOverrides, validateTopicOverrides } from './topic-config.ts'
export { type TopicSettingName, type TopicSettingValue, topicSettings, topicSynonyms } from './topic-settings.ts'
