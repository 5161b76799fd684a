#!/usr/bin/env node
// Owns the command line as a whole: the routes, the text of a failure, the exit status.
// Never does a command's work: each lives in a file of its own, loaded when it is called.
import { buildApplication, buildRouteMap, help, run, text_en } from '@stricli/core'
import { consumeCommand } from './consume-command.ts'
import { CommandFailure, ExitCode } from './exit-codes.ts'
import { processWithLateStreams } from './late-streams.ts'
import { logRoutes } from './log-routes.ts'
import { produceCommand } from './produce-command.ts'
import { startCommand } from './start-command.ts'
import { topicRoutes } from './topic-routes.ts'

const routes = buildRouteMap({
  routes: {
    start: startCommand,
    topic: topicRoutes,
    produce: produceCommand,
    consume: consumeCommand,
    log: logRoutes,
  },
  docs: { brief: 'Apache Kafka for the Node.js world: run a broker, manage topics, produce and consume' },
})

/** Stricli's own set would also take -H, which curl and rpk users expect to mean a header. */
const integrations = {
  help: help({
    brief: text_en.briefs.help,
    defaultForRouteMap: true,
    formatting: { caseStyle: 'convert-camel-to-kebab', useAliasInUsageLine: false, onlyRequiredInUsageLine: true },
  }),
}

const application = buildApplication(
  routes,
  {
    name: 'millrace',
    scanner: { caseStyle: 'allow-kebab-for-camel' },
    determineExitCode: error => (error instanceof CommandFailure ? error.exitCode : ExitCode.FAILURE),
    localization: {
      text: { ...text_en, exceptionWhileRunningCommand: failureText },
    },
  },
  integrations,
)

/** A failure made for the user is its own text; anything else is ours, and its stack helps to report it. */
function failureText(error: unknown): string {
  if (error instanceof CommandFailure) return `millrace: ${error.message}`
  return `millrace failed: ${error instanceof Error ? error.stack : String(error)}`
}

async function main(): Promise<void> {
  if (process.argv[2] === '--version') {
    const { softwareVersion } = await import('#client')
    process.stdout.write(`${softwareVersion()}\n`)
    return
  }
  await run(application, process.argv.slice(2), { process: processWithLateStreams() })
  // Stricli has negative numbers for mistakes on the command line.
  if (Number(process.exitCode) < 0) process.exitCode = ExitCode.USAGE
}

void main()
