// Owns changes of settings: IncrementalAlterConfigs (KIP-339). Never acts on a setting.
// Invariant: a resource changes as a whole or not at all; what is stored passed the checks of #config.
import {
  type BrokerConfig,
  ConfigError,
  ResourceType,
  TopicConfig,
  topicSettings,
  validateTopicOverrides,
} from '#config'
import type { MetadataImage } from '#metadata'
import {
  ErrorCode,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
  KafkaError,
  type MetadataRecordInput,
} from '#protocol'
import type { ControllerResult } from './controller-result.ts'
import { uniqueBy } from './duplicates.ts'
import { topicNameFault } from './topic-names.ts'

export const TOPIC_RESOURCE = ResourceType.TOPIC

type Resource = IncrementalAlterConfigsRequest['resources'][number]
type Change = Resource['configs'][number]

const Operation = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const

export interface AlterConfigsInput {
  readonly image: MetadataImage
  readonly config: BrokerConfig
  readonly request: IncrementalAlterConfigsRequest
}

export function incrementalAlterConfigs(input: AlterConfigsInput): ControllerResult<IncrementalAlterConfigsResponse> {
  const { request } = input
  const records: MetadataRecordInput[] = []
  const keyOf = ({ resourceType, resourceName }: Resource): string => `${resourceType}:${resourceName}`
  const { twice } = uniqueBy(request.resources, keyOf)
  const responses = request.resources.map((resource): IncrementalAlterConfigsResponse['responses'][number] => {
    const { resourceType, resourceName } = resource
    try {
      if (twice.has(keyOf(resource))) throw new KafkaError('INVALID_REQUEST', 'Each resource must appear at most once.')
      records.push(...resourceChanges(input, resource))
      return { errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName }
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      return { errorCode: error.errorCode, errorMessage: error.message, resourceType, resourceName }
    }
  })
  return { records: request.validateOnly ? [] : records, response: { throttleTimeMs: 0, responses } }
}

function resourceChanges({ image, config }: AlterConfigsInput, resource: Resource): readonly MetadataRecordInput[] {
  const { resourceType, resourceName, configs } = resource
  if (resourceType !== TOPIC_RESOURCE) {
    throw new KafkaError(
      'INVALID_REQUEST',
      `Settings of resource type ${resourceType} cannot be altered: only those of topics can`,
    )
  }
  if (resourceName === '') throw new KafkaError('INVALID_REQUEST', 'Default topic resources are not allowed.')
  const fault = topicNameFault(resourceName)
  if (fault !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', fault)
  if (image.topics.byName(resourceName) === undefined) {
    throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `The topic '${resourceName}' does not exist.`)
  }
  refuseUnclear(configs)
  const before = image.configs.get(TOPIC_RESOURCE, resourceName)
  const after = changed(config, before, configs)
  validate(config, after)
  return difference(before, after).map(([name, value]) => ({
    type: 'ConfigRecord',
    resourceType,
    resourceName,
    name,
    value,
  }))
}

function refuseUnclear(changes: readonly Change[]): void {
  const names = changes.map(({ name }) => name)
  if (new Set(names).size !== names.length)
    throw new KafkaError('INVALID_REQUEST', 'Error due to duplicate config keys')
  const valueless = changes.filter(
    ({ configOperation, value }) => configOperation !== Operation.DELETE && value === null,
  )
  if (valueless.length > 0) {
    throw new KafkaError(
      'INVALID_REQUEST',
      `Null value not supported for : ${valueless.map(({ name }) => name).join(', ')}`,
    )
  }
}

/** What the topic overrides once all changes are made. */
function changed(
  config: BrokerConfig,
  before: ReadonlyMap<string, string>,
  changes: readonly Change[],
): ReadonlyMap<string, string> {
  const after = new Map(before)
  for (const { name, configOperation, value } of changes) {
    switch (configOperation) {
      case Operation.SET:
        after.set(name, value as string)
        break
      case Operation.DELETE:
        after.delete(name)
        break
      case Operation.APPEND:
      case Operation.SUBTRACT: {
        const current = listOf(config, before, name, configOperation)
        const given = (value as string)
          .split(',')
          .map(part => part.trim())
          .filter(part => part !== '')
        const list =
          configOperation === Operation.APPEND
            ? [...current, ...given.filter((part, index) => !current.includes(part) && given.indexOf(part) === index)]
            : current.filter(part => !given.includes(part))
        after.set(name, list.join(','))
        break
      }
      default:
        throw new KafkaError('INVALID_REQUEST', `Unknown operation type ${configOperation}`)
    }
  }
  return after
}

/** The list a topic has now: its own, or what it has without one. */
function listOf(
  config: BrokerConfig,
  overrides: ReadonlyMap<string, string>,
  name: string,
  operation: number,
): readonly string[] {
  if (topicSettings.get(name)?.type !== 'list') {
    const verb = operation === Operation.APPEND ? 'APPEND to' : 'SUBTRACT from'
    throw new KafkaError('INVALID_CONFIG', `Can't ${verb} key ${name} because its type is not LIST.`)
  }
  return new TopicConfig(config, overrides).value(name) as readonly string[]
}

function validate(config: BrokerConfig, overrides: ReadonlyMap<string, string>): void {
  try {
    validateTopicOverrides(config, overrides)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new KafkaError('INVALID_CONFIG', error.message, { cause: error })
  }
}

/** Names whose value changed; null where it is gone. */
function difference(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly (readonly [name: string, value: string | null])[] {
  const gone = [...before.keys()].filter(name => !after.has(name)).map(name => [name, null] as const)
  const set = [...after].filter(([name, value]) => before.get(name) !== value)
  return [...gone, ...set]
}
