// Owns what `millrace consume` accepts. The work is in consume.ts, loaded when it is called.
import { buildCommand } from '@stricli/core'
import { type ConnectionFlags, connectionAliases, connectionFlags, wholeNumber } from './connection-flags.ts'

export interface ConsumeFlags extends ConnectionFlags {
  readonly offset?: string | undefined
  readonly fromBeginning: boolean
  readonly partition?: readonly number[] | undefined
  readonly group?: string | undefined
  readonly num?: number | undefined
  readonly follow: boolean
  readonly json: boolean
  readonly printKey: boolean
  readonly keySeparator: string
}

export const consumeCommand = buildCommand<ConsumeFlags, string[]>({
  loader: async () => (await import('./consume.ts')).consume,
  parameters: {
    flags: {
      ...connectionFlags,
      offset: {
        kind: 'parsed',
        parse: String,
        optional: true,
        placeholder: 'start|end|N|-N|@time',
        brief: 'Where to start: start (default), end, an offset, the last N of each partition, or a time',
      },
      fromBeginning: { kind: 'boolean', default: false, withNegated: false, brief: 'The same as --offset start' },
      partition: {
        kind: 'parsed',
        parse: wholeNumber(0),
        variadic: true,
        optional: true,
        placeholder: 'number',
        brief: 'Only this partition; may be given again',
      },
      group: {
        kind: 'parsed',
        parse: String,
        optional: true,
        placeholder: 'id',
        brief: 'Read as a member of this group, and commit',
      },
      num: {
        kind: 'parsed',
        parse: wholeNumber(1),
        optional: true,
        placeholder: 'records',
        brief: 'Stop after this many records',
      },
      follow: {
        kind: 'boolean',
        default: false,
        withNegated: false,
        brief: 'Wait for more at the end; without it the end is the end',
      },
      json: {
        kind: 'boolean',
        default: false,
        withNegated: false,
        brief: 'One line of JSON a record: topic, partition, offset, timestamp, key, value, headers',
      },
      printKey: { kind: 'boolean', default: false, withNegated: false, brief: 'Print the key before the value' },
      keySeparator: {
        kind: 'parsed',
        parse: String,
        default: '\t',
        placeholder: 'text',
        brief: 'What stands between key and value',
      },
    },
    aliases: {
      ...connectionAliases,
      o: 'offset',
      p: 'partition',
      g: 'group',
      n: 'num',
      f: 'follow',
      k: 'printKey',
      K: 'keySeparator',
    },
    positional: {
      kind: 'array',
      minimum: 1,
      parameter: { parse: String, placeholder: 'topic', brief: 'Topic to read' },
    },
  },
  docs: {
    brief: 'Print the records of topics',
    fullDescription:
      'Prints values, one a line. Without --follow the command ends where the partitions ended when it began. ' +
      'With --group it goes on where the group left off, and --offset says where to start when it never began.',
  },
})
