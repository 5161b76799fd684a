// DescribeConfigs (32): settings of topics and of this broker with their values and where those come from.
// v3 type and documentation. Error messages are empty, not null, where there is no error (as Kafka sends them).
import { type ConfigEntry, describeBrokerConfigs, describeTopicConfigs, ResourceType } from '#config'
import { type DescribeConfigsRequest, describeConfigs as describeConfigsApi, ErrorCode, KafkaError } from '#protocol'
import type { ApiHandler, RequestContext } from '../request-context.ts'
import { topicNameFault } from '../topic-names.ts'

type Resource = DescribeConfigsRequest['resources'][number]

export const describeConfigs: ApiHandler<typeof describeConfigsApi> = {
  api: describeConfigsApi,

  handle(request, context) {
    return {
      results: request.resources.map(resource => {
        const { resourceType, resourceName } = resource
        try {
          const configs = entriesOf(resource, context).map(entry => shown(entry, request))
          return { errorCode: ErrorCode.NONE, errorMessage: '', resourceType, resourceName, configs }
        } catch (error) {
          if (!(error instanceof KafkaError)) throw error
          return { errorCode: error.errorCode, errorMessage: error.message, resourceType, resourceName }
        }
      }),
    }
  },

  failed: (request, error) => ({
    results: request.resources.map(({ resourceType, resourceName }) => ({
      errorCode: error.errorCode,
      errorMessage: error.message,
      resourceType,
      resourceName,
    })),
  }),
}

function entriesOf(resource: Resource, { services }: RequestContext): readonly ConfigEntry[] {
  const { resourceType, resourceName, configurationKeys } = resource
  const wanted = configurationKeys === null || configurationKeys.length === 0 ? null : new Set(configurationKeys)
  switch (resourceType) {
    case ResourceType.TOPIC: {
      const fault = topicNameFault(resourceName)
      if (fault !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', `Topic name is invalid: ${fault}`)
      const image = services.image()
      if (image.topics.byName(resourceName) === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION')
      return describeTopicConfigs(services.config, image.configs.get(ResourceType.TOPIC, resourceName), wanted)
    }
    case ResourceType.BROKER:
      // The empty name stands for what was set while running for all brokers: nothing can be yet.
      if (resourceName === '') return []
      refuseOtherBroker(resourceName, services.nodeId)
      return describeBrokerConfigs(services.config, wanted)
    default:
      throw new KafkaError('INVALID_REQUEST', `Unsupported resource type: ${resourceType}`)
  }
}

function refuseOtherBroker(name: string, nodeId: number): void {
  if (!/^-?\d+$/.test(name)) {
    throw new KafkaError('INVALID_REQUEST', `Broker id must be an integer, but it is: ${name}`)
  }
  if (Number(name) !== nodeId) {
    throw new KafkaError(
      'INVALID_REQUEST',
      `Unexpected broker id, expected ${nodeId} or empty string, but received ${name}`,
    )
  }
}

function shown(
  entry: ConfigEntry,
  request: DescribeConfigsRequest,
): Omit<ConfigEntry, 'documentation'> & {
  readonly documentation: string | null
} {
  return {
    ...entry,
    synonyms: request.includeSynonyms ? entry.synonyms : [],
    documentation: request.includeDocumentation ? entry.documentation : null,
  }
}
