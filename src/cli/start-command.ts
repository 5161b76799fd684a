// Owns what `millrace start` accepts. The work is in start.ts, loaded when it is called.
import { buildCommand } from '@stricli/core'

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const

export interface StartFlags {
  readonly override?: readonly string[] | undefined
  readonly json: boolean
  readonly logLevel: (typeof LOG_LEVELS)[number]
}

export const startCommand = buildCommand<StartFlags, [file?: string]>({
  loader: async () => (await import('./start.ts')).start,
  parameters: {
    flags: {
      override: {
        kind: 'parsed',
        parse: String,
        variadic: true,
        optional: true,
        placeholder: 'key=value',
        brief: 'Set one property, over what the file says; may be given again',
      },
      logLevel: {
        kind: 'enum',
        values: LOG_LEVELS,
        default: 'warn',
        brief: 'What goes to standard error, one line of JSON each',
      },
      json: { kind: 'boolean', default: false, withNegated: false, brief: 'Print one line of JSON when ready' },
    },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          parse: String,
          optional: true,
          placeholder: 'server.properties',
          brief: "Kafka's own configuration file; without one: 127.0.0.1:9092 and ./millrace-data",
        },
      ],
    },
  },
  docs: {
    brief: 'Run a broker in the foreground',
    fullDescription:
      'Runs a broker, with the controller in the same process unless process.roles says otherwise. ' +
      'SIGTERM or SIGINT drains it, syncs the logs and exits with status 0; a second signal stops it at once. ' +
      'Exit status: 2 wrong command line, 3 wrong configuration, 4 address cannot be bound, 5 data directory in use, ' +
      '6 data directory unusable, 7 native core missing, 1 anything else.',
  },
})
