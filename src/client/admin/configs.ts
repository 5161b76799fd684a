// Owns the admin operations on configurations: read all of a resource, change some of it. Resources of a broker go to that broker.
import * as protocol from '#protocol'
import { ErrorCode } from '#protocol'
import type { CallOptions, Cluster } from '../network/cluster.ts'
import { asKafkaError, kafkaErrorOf } from '../network/kafka-errors.ts'
import type { Outcome } from './admin.ts'
import { callAnyBroker } from './broker-call.ts'

/** Numbers on the wire. */
export const ConfigResourceType = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const
export type ConfigResourceTypeName = keyof typeof ConfigResourceType

export interface ConfigResource {
  readonly type: ConfigResourceTypeName
  /** Topic name, broker id, group id; '' is the default of all brokers. */
  readonly name: string
}

export type ConfigSource =
  | 'unknown'
  | 'topic'
  | 'broker'
  | 'brokerDefault'
  | 'static'
  | 'default'
  | 'brokerLogger'
  | 'clientMetrics'
  | 'group'

export interface ConfigEntry {
  readonly name: string
  /** null when it is sensitive, or not set. */
  readonly value: string | null
  readonly source: ConfigSource
  readonly isReadOnly: boolean
  readonly isSensitive: boolean
  readonly synonyms: readonly { readonly name: string; readonly value: string | null; readonly source: ConfigSource }[]
  /** null unless asked for. */
  readonly documentation: string | null
}

export interface DescribedConfigs extends ConfigResource, Outcome {
  readonly entries: readonly ConfigEntry[]
}

export interface DescribeConfigsOptions {
  /** Only these names; all unless given. */
  readonly names?: readonly string[]
  readonly includeSynonyms?: boolean
  readonly includeDocumentation?: boolean
}

/** `append` and `subtract` work on settings that are lists; `delete` goes back to the default. */
export type ConfigChange =
  | { readonly operation: 'set' | 'append' | 'subtract'; readonly name: string; readonly value: string }
  | { readonly operation: 'delete'; readonly name: string }

const OPERATIONS = { set: 0, delete: 1, append: 2, subtract: 3 } as const
/** Position = number on the wire. */
const SOURCES: readonly ConfigSource[] = [
  'unknown',
  'topic',
  'broker',
  'brokerDefault',
  'static',
  'default',
  'brokerLogger',
  'clientMetrics',
  'group',
]

export async function describeConfigs(
  cluster: Cluster,
  call: CallOptions,
  resources: readonly ConfigResource[],
  options: DescribeConfigsOptions,
): Promise<readonly DescribedConfigs[]> {
  return perBroker(cluster, call, resources, async (group, send) => {
    const response = await send(protocol.describeConfigs, {
      resources: group.map(({ type, name }) => ({
        resourceType: ConfigResourceType[type],
        resourceName: name,
        configurationKeys: options.names ?? null,
      })),
      includeSynonyms: options.includeSynonyms ?? false,
      includeDocumentation: options.includeDocumentation ?? false,
    })
    return group.map(({ type, name }) => {
      const result = response.results.find(
        each => each.resourceType === ConfigResourceType[type] && each.resourceName === name,
      )
      const errorCode = result?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
      const error =
        errorCode === ErrorCode.NONE ? null : kafkaErrorOf(errorCode, `${type} '${name}'`, result?.errorMessage)
      return { type, name, error, entries: (result?.configs ?? []).map(toEntry) }
    })
  })
}

export async function alterConfigs(
  cluster: Cluster,
  call: CallOptions,
  resources: readonly (ConfigResource & { readonly changes: readonly ConfigChange[] })[],
  validateOnly: boolean,
): Promise<readonly (Outcome & ConfigResource)[]> {
  return perBroker(cluster, call, resources, async (group, send) => {
    const response = await send(protocol.incrementalAlterConfigs, {
      resources: group.map(({ type, name, changes }) => ({
        resourceType: ConfigResourceType[type],
        resourceName: name,
        configs: changes.map(change => ({
          name: change.name,
          configOperation: OPERATIONS[change.operation],
          value: change.operation === 'delete' ? null : change.value,
        })),
      })),
      validateOnly,
    })
    return group.map(({ type, name }) => {
      const result = response.responses.find(
        each => each.resourceType === ConfigResourceType[type] && each.resourceName === name,
      )
      const errorCode = result?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR
      return {
        type,
        name,
        error: errorCode === ErrorCode.NONE ? null : kafkaErrorOf(errorCode, `${type} '${name}'`, result?.errorMessage),
      }
    })
  })
}

type Send = <A extends protocol.Api>(api: A, request: protocol.RequestInput<A>) => Promise<protocol.ResponseOf<A>>

/** What a broker says of itself only it can answer; everything else goes to any of them. */
async function perBroker<R extends ConfigResource, T extends ConfigResource & Outcome>(
  cluster: Cluster,
  call: CallOptions,
  resources: readonly R[],
  ask: (group: readonly R[], send: Send) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const groups = new Map<number | null, R[]>()
  for (const resource of resources) {
    const nodeId = brokerOf(resource)
    groups.set(nodeId, [...(groups.get(nodeId) ?? []), resource])
  }
  const answers = await Promise.all(
    [...groups].map(([nodeId, group]) =>
      ask(group, async (api, request) => {
        if (nodeId === null) return callAnyBroker(cluster, call, api, request)
        return cluster.retrying(call, async () => {
          if (!cluster.metadata.brokers.has(nodeId)) await cluster.refresh()
          return cluster.sendTo(nodeId, 'shared', api, request, { signal: call.signal })
        })
      }),
    ),
  )
  const flat = answers.flat()
  return resources.map(({ type, name }) => {
    const answer = flat.find(each => each.type === type && each.name === name)
    if (!answer) throw asKafkaError(new Error(`${type} '${name}' was left out of the answer`))
    return answer
  })
}

function brokerOf({ type, name }: ConfigResource): number | null {
  return (type === 'broker' || type === 'brokerLogger') && /^\d+$/.test(name) ? Number(name) : null
}

function toEntry(config: protocol.DescribeConfigsResponse['results'][number]['configs'][number]): ConfigEntry {
  return {
    name: config.name,
    value: config.value,
    source: SOURCES[config.configSource] ?? 'unknown',
    isReadOnly: config.readOnly,
    isSensitive: config.isSensitive,
    synonyms: config.synonyms.map(({ name, value, source }) => ({ name, value, source: SOURCES[source] ?? 'unknown' })),
    documentation: config.documentation,
  }
}
