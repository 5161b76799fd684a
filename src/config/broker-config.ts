// Owns the settings of one broker: what a properties file and overrides say, over what is true without them.
// Never changes after load. Invariant: every value that was set has been parsed; what get() returns is within its limits.
import { availableParallelism } from 'node:os'
import { realHost, type Files } from '#host'
import { type BrokerSettingName, type BrokerSettingValue, brokerSettings } from './broker-settings/index.ts'
import { type ConfigDefinition, type ConfigValue, parseValue } from './config-definition.ts'
import { ConfigError } from './config-error.ts'
import { ResourceType } from './config-names.ts'
import { foreignPrefixes, renamedSettings, retiredSettings } from './legacy-settings.ts'
import { nearestName } from './nearest-name.ts'
import { parseProperties } from './server-properties.ts'
import { type TopicOverrides, TopicConfig } from './topic-config.ts'
import { refuseUnsupported } from './unsupported-settings.ts'

export interface BrokerConfigSource {
  /** Path of a properties file. */
  readonly file?: string
  /** Name to value; they win over the file. A name that does not exist is an error here, in a file only a warning. */
  readonly overrides?: Readonly<Record<string, string>> | ReadonlyMap<string, string>
  readonly files?: Files
  /** Cores of the machine, for defaults that follow them. */
  readonly cores?: number
}

/** The part of a metadata image that this folder needs. */
export interface ConfigsSource {
  readonly configs: { get(resourceType: number, name: string): TopicOverrides }
}

/** A node that is a cluster of its own cannot have three replicas of anything. */
const EMBEDDED_DEFAULTS: ReadonlyMap<string, string> = new Map([
  ['offsets.topic.replication.factor', '1'],
  ['transaction.state.log.replication.factor', '1'],
  ['transaction.state.log.min.isr', '1'],
  ['share.coordinator.state.topic.replication.factor', '1'],
  ['share.coordinator.state.topic.min.isr', '1'],
])

export class BrokerConfig {
  readonly #set: ReadonlyMap<string, string>
  readonly #defaults: ReadonlyMap<string, string>
  readonly #values = new Map<string, ConfigValue>()
  #topicDefaults: TopicConfig | undefined
  /** One line for each name in the file that is unknown, retired or renamed. */
  readonly warnings: readonly string[]

  private constructor(set: ReadonlyMap<string, string>, defaults: ReadonlyMap<string, string>, warnings: string[]) {
    this.#set = set
    this.#defaults = defaults
    this.warnings = warnings
  }

  /** Without a source: a broker and its controller on 127.0.0.1:9092 with data in ./millrace-data. Throws ConfigError. */
  static load(source: BrokerConfigSource = {}): BrokerConfig {
    const warnings: string[] = []
    const set = new Map<string, string>()
    const warn = (message: string): void => void warnings.push(message)
    if (source.file !== undefined) {
      for (const [name, value] of parseProperties(readFile(source.file, source.files ?? realHost().files))) {
        accept(name, value, set, { warn, unknown: warn })
      }
    }
    const overrides = source.overrides instanceof Map ? source.overrides : Object.entries(source.overrides ?? {})
    const fromOverrides = new Map<string, string>()
    const unknown = (message: string): never => {
      throw new ConfigError(message)
    }
    for (const [name, value] of overrides) accept(name, value, fromOverrides, { warn, unknown })
    for (const [name, value] of fromOverrides) set.set(name, value)
    const config = new BrokerConfig(set, defaultsFor(set, source.cores ?? availableParallelism()), warnings)
    for (const name of set.keys()) if (brokerSettings.has(name)) config.value(name)
    refuseUnsupported(config)
    return config
  }

  /** The typed value: int64 settings as bigint, lists as arrays, null where nothing is set and nothing stands in. */
  get<Name extends BrokerSettingName>(name: Name): BrokerSettingValue<Name> {
    return this.value(name) as BrokerSettingValue<Name>
  }

  /** A numeric setting as a number; what a number cannot hold ("no limit") is Number.MAX_SAFE_INTEGER. Null when unset. */
  number(name: BrokerSettingName): number
  number(name: string): number | null
  number(name: string): number | null {
    return safeNumber(this.value(name))
  }

  value(name: string): ConfigValue {
    const known = this.#values.get(name)
    if (known !== undefined) return known
    const definition = definitionOf(name)
    const value = parseValue(definition, this.text(name))
    this.#values.set(name, value)
    return value
  }

  /** As written by the user, or the default. */
  text(name: string): string | null {
    return this.#set.get(name) ?? this.defaultText(name)
  }

  defaultText(name: string): string | null {
    return this.#defaults.get(name) ?? definitionOf(name).defaultText
  }

  /** Whether the user set it, in the file or by an override. */
  isSet(name: string): boolean {
    return this.#set.has(name)
  }

  /** Everything the user set, unknown names included. */
  get settings(): ReadonlyMap<string, string> {
    return this.#set
  }

  get nodeId(): number {
    return this.get('node.id')
  }

  get logDirs(): readonly string[] {
    return this.get('log.dirs') ?? this.get('log.dir')
  }

  /** Directory that holds `__cluster_metadata-0`. */
  get metadataLogDir(): string {
    return this.get('metadata.log.dir') ?? (this.logDirs[0] as string)
  }

  /** The settings of a topic that overrides nothing. */
  get topicDefaults(): TopicConfig {
    this.#topicDefaults ??= new TopicConfig(this, new Map())
    return this.#topicDefaults
  }

  /** The settings a topic has, its own over this broker's. */
  topicConfig(image: ConfigsSource, topicName: string): TopicConfig {
    const overrides = image.configs.get(ResourceType.TOPIC, topicName)
    return overrides.size === 0 ? this.topicDefaults : new TopicConfig(this, overrides)
  }
}

export function safeNumber(value: ConfigValue): number | null {
  if (value === null) return null
  if (typeof value === 'bigint') {
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value)
  }
  if (typeof value !== 'number') throw new TypeError('the setting is not a number')
  return value
}

function definitionOf(name: string): ConfigDefinition {
  const definition = brokerSettings.get(name)
  if (!definition) throw new TypeError(`'${name}' is not a setting of a broker`)
  return definition
}

function readFile(path: string, files: Files): string {
  const bytes = files.read(path)
  if (bytes === null) throw new ConfigError(`There is no properties file at ${path}`)
  return bytes.toString('utf8')
}

function defaultsFor(set: ReadonlyMap<string, string>, cores: number): ReadonlyMap<string, string> {
  const threads: [string, string] = ['num.network.threads', String(Math.max(1, Math.floor(cores / 2)))]
  const inQuorum = set.has('controller.quorum.voters') || set.has('controller.quorum.bootstrap.servers')
  const formerId: [string, string] = [
    'broker.id',
    set.get('node.id') ?? (brokerSettings.get('node.id')?.defaultText as string),
  ]
  return new Map([threads, formerId, ...(inQuorum ? [] : EMBEDDED_DEFAULTS)])
}

interface Complaints {
  warn(message: string): void
  unknown(message: string): void
}

/** Takes one name and value over into `set`, under the name of today. */
function accept(name: string, value: string, set: Map<string, string>, complaints: Complaints): void {
  const retired = retiredSettings[name]
  if (retired !== undefined) return complaints.warn(`${name} has no effect: ${retired}`)
  const current = renamedSettings[name] ?? name
  const before = set.get(current)
  if (before !== undefined && before.trim() !== value.trim()) {
    throw new ConfigError(`${current} is set to ${before} and, under its former name, to ${value}: set only ${current}`)
  }
  set.set(current, value)
  if (brokerSettings.has(current) || foreignPrefixes.some(prefix => current.startsWith(prefix))) return
  const nearest = nearestName(current, brokerSettings.keys())
  complaints.unknown(`${current} is not a setting of the broker${nearest === null ? '' : `: did you mean ${nearest}?`}`)
}
