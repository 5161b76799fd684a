// Owns what `millrace start` accepts. The work is in start.ts, loaded when it is called.
import { buildCommand } from '@stricli/core'

export interface StartFlags {
  readonly override?: readonly string[] | undefined
  readonly json: boolean
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
      'SIGTERM or SIGINT drains it, syncs the logs and exits with status 0; a second signal stops it at once.',
  },
})
