// Owns what `millrace log ...` accepts. The work is in a file for each verb, loaded when it is called.
import { buildCommand, buildRouteMap } from '@stricli/core'
import { wholeNumber } from './connection-flags.ts'

export interface LogVerifyFlags {
  readonly compacted: boolean
  readonly json: boolean
}

export interface LogRepairFlags extends LogVerifyFlags {
  readonly truncate: boolean
}

export interface LogDumpFlags {
  readonly records: boolean
  readonly metadata: boolean
  readonly num?: number | undefined
  readonly json: boolean
}

const json = { kind: 'boolean', default: false, withNegated: false, brief: 'Print JSON' } as const
const compacted = {
  kind: 'boolean',
  default: false,
  withNegated: false,
  brief: 'Allow gaps between offsets; a log directory tells by itself which topics are compacted',
} as const
const paths = {
  kind: 'array',
  minimum: 1,
  parameter: { parse: String, placeholder: 'path', brief: 'A log directory, a partition in it, or a file' },
} as const

const STATUS =
  'Exit status: 0 nothing wrong, 10 something is (or stayed) wrong, 2 wrong command line, 5 directory in use, 6 unreadable.'

const verify = buildCommand<LogVerifyFlags, string[]>({
  loader: async () => (await import('./log-verify.ts')).verifyLogs,
  parameters: { flags: { compacted, json }, positional: paths },
  docs: {
    brief: 'Check checksums, offsets, indexes, snapshots, checkpoints; changes nothing',
    fullDescription: `Checks every batch and everything that is derived from it, without changing anything. ${STATUS}`,
  },
})

const repair = buildCommand<LogRepairFlags, string[]>({
  loader: async () => (await import('./log-repair.ts')).repairLogs,
  parameters: {
    flags: {
      truncate: {
        kind: 'boolean',
        default: false,
        withNegated: false,
        brief: 'Cut a damaged log before its first damage; what is cut off stays beside it in .bak files',
      },
      compacted,
      json,
    },
    positional: {
      kind: 'array',
      minimum: 1,
      parameter: { parse: String, placeholder: 'path', brief: 'A log directory or a partition in it, not in use' },
    },
  },
  docs: {
    brief: 'Build indexes, snapshots and leader epochs anew; cut off damage when asked to',
    fullDescription: `Builds anew what is derived from the log and wrong. Records are never given up unless --truncate is given. ${STATUS}`,
  },
})

const dump = buildCommand<LogDumpFlags, string[]>({
  loader: async () => (await import('./log-dump.ts')).dumpLogs,
  parameters: {
    flags: {
      records: { kind: 'boolean', default: true, withNegated: true, brief: 'Print records, not only batches' },
      metadata: {
        kind: 'boolean',
        default: false,
        withNegated: false,
        brief: 'Decode values as metadata records; the default for __cluster_metadata',
      },
      num: {
        kind: 'parsed',
        parse: wholeNumber(1),
        optional: true,
        placeholder: 'count',
        brief: 'Stop after so many batches or entries of a file',
      },
      json,
    },
    aliases: { n: 'num' },
    positional: paths,
  },
  docs: {
    brief: 'Print what is in segments, indexes, snapshots and checkpoints',
    fullDescription:
      'Prints the content of a file, or of every file of a directory. Exit status: 0 done, 10 a file could not be read to its end, ' +
      '2 wrong command line, 6 unreadable.',
  },
})

export const logRoutes = buildRouteMap({
  routes: { dump, verify, repair },
  docs: { brief: 'Print, check and repair log directories' },
})
