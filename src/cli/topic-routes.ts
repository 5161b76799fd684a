// Owns what `millrace topic ...` accepts. The work is in topic.ts, loaded when it is called.
import { buildCommand, buildRouteMap } from '@stricli/core'
import {
  type ConnectionFlags,
  connectionAliases,
  connectionFlags,
  nameAndValue,
  wholeNumber,
} from './connection-flags.ts'

export interface TopicCreateFlags extends ConnectionFlags {
  readonly partitions?: number | undefined
  readonly replicationFactor?: number | undefined
  readonly config?: readonly (readonly [name: string, value: string])[] | undefined
  readonly ifNotExists: boolean
  readonly json: boolean
}

export interface TopicListFlags extends ConnectionFlags {
  readonly internal: boolean
  readonly json: boolean
}

export interface TopicDescribeFlags extends ConnectionFlags {
  readonly json: boolean
}

export interface TopicDeleteFlags extends ConnectionFlags {
  readonly ifExists: boolean
  readonly json: boolean
}

const json = { kind: 'boolean', default: false, withNegated: false, brief: 'Print JSON' } as const
const names = {
  kind: 'array',
  minimum: 1,
  parameter: { parse: String, placeholder: 'name', brief: 'Name of a topic' },
} as const

const create = buildCommand<TopicCreateFlags, string[]>({
  loader: async () => (await import('./topic.ts')).createTopics,
  parameters: {
    flags: {
      ...connectionFlags,
      partitions: {
        kind: 'parsed',
        parse: wholeNumber(1),
        optional: true,
        placeholder: 'count',
        brief: "Partitions; the broker's num.partitions unless given",
      },
      replicationFactor: {
        kind: 'parsed',
        parse: wholeNumber(1),
        optional: true,
        placeholder: 'count',
        brief: "Replicas of each partition; the broker's default.replication.factor unless given",
      },
      config: {
        kind: 'parsed',
        parse: nameAndValue,
        variadic: true,
        optional: true,
        placeholder: 'name=value',
        brief: 'Set a topic setting; may be given again',
      },
      ifNotExists: { kind: 'boolean', default: false, withNegated: false, brief: 'A topic that exists is no error' },
      json,
    },
    aliases: { ...connectionAliases, p: 'partitions', r: 'replicationFactor', c: 'config' },
    positional: names,
  },
  docs: { brief: 'Create topics' },
})

const list = buildCommand<TopicListFlags, []>({
  loader: async () => (await import('./topic.ts')).listTopics,
  parameters: {
    flags: {
      ...connectionFlags,
      internal: { kind: 'boolean', default: false, withNegated: false, brief: "Also the broker's own topics" },
      json,
    },
    aliases: connectionAliases,
  },
  docs: { brief: 'List topics' },
})

const describe = buildCommand<TopicDescribeFlags, string[]>({
  loader: async () => (await import('./topic.ts')).describeTopics,
  parameters: { flags: { ...connectionFlags, json }, aliases: connectionAliases, positional: names },
  docs: { brief: 'Show partitions, leaders, replicas, offsets and changed settings of topics' },
})

const remove = buildCommand<TopicDeleteFlags, string[]>({
  loader: async () => (await import('./topic.ts')).deleteTopics,
  parameters: {
    flags: {
      ...connectionFlags,
      ifExists: {
        kind: 'boolean',
        default: false,
        withNegated: false,
        brief: 'A topic that does not exist is no error',
      },
      json,
    },
    aliases: connectionAliases,
    positional: names,
  },
  docs: { brief: 'Delete topics, with all their records' },
})

export const topicRoutes = buildRouteMap({
  routes: { create, list, describe, delete: remove },
  docs: { brief: 'Create, list, describe and delete topics' },
})
