// Owns what `millrace produce` accepts. The work is in produce.ts, loaded when it is called.
import { buildCommand } from '@stricli/core'
import {
  type ConnectionFlags,
  connectionAliases,
  connectionFlags,
  nameAndValue,
  wholeNumber,
} from './connection-flags.ts'

const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const ACKS = ['all', '1', '0'] as const

export interface ProduceFlags extends ConnectionFlags {
  readonly key?: string | undefined
  readonly keySeparator?: string | undefined
  readonly header?: readonly (readonly [name: string, value: string])[] | undefined
  readonly partition?: number | undefined
  readonly compression: (typeof COMPRESSIONS)[number]
  readonly acks: (typeof ACKS)[number]
  readonly json: boolean
  readonly tombstone: boolean
  readonly count?: number | undefined
}

export const produceCommand = buildCommand<ProduceFlags, [topic: string]>({
  loader: async () => (await import('./produce.ts')).produce,
  parameters: {
    flags: {
      ...connectionFlags,
      key: { kind: 'parsed', parse: String, optional: true, brief: 'Key of every record' },
      keySeparator: {
        kind: 'parsed',
        parse: String,
        optional: true,
        placeholder: 'text',
        brief: 'What ends the key within a line',
      },
      header: {
        kind: 'parsed',
        parse: nameAndValue,
        variadic: true,
        optional: true,
        placeholder: 'name=value',
        brief: 'Header of every record; may be given again',
      },
      partition: {
        kind: 'parsed',
        parse: wholeNumber(0),
        optional: true,
        placeholder: 'number',
        brief: "Partition; by the key's hash unless given",
      },
      compression: { kind: 'enum', values: COMPRESSIONS, default: 'none', brief: 'Codec of the batches' },
      acks: { kind: 'enum', values: ACKS, default: 'all', brief: 'Who must have a record before it counts as sent' },
      json: {
        kind: 'boolean',
        default: false,
        withNegated: false,
        brief: 'Each line is a record in JSON, as consume --json prints it',
      },
      tombstone: {
        kind: 'boolean',
        default: false,
        withNegated: false,
        brief: 'An empty value is null: it deletes its key on a compacted topic',
      },
      count: {
        kind: 'parsed',
        parse: wholeNumber(1),
        optional: true,
        placeholder: 'records',
        brief: 'Stop after this many records',
      },
    },
    aliases: {
      ...connectionAliases,
      k: 'key',
      K: 'keySeparator',
      H: 'header',
      p: 'partition',
      z: 'compression',
      n: 'count',
    },
    positional: { kind: 'tuple', parameters: [{ parse: String, placeholder: 'topic', brief: 'Topic to write to' }] },
  },
  docs: {
    brief: 'Write the lines of standard input to a topic',
    fullDescription:
      'Each line of standard input becomes a record. A line that cannot be read as asked for ends the command before it is sent; ' +
      'lines before it are sent. The topic is created by the broker if it does not exist and auto.create.topics.enable is on.',
  },
})
