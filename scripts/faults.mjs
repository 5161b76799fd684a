// Owns `npm run faults -- [name ...] [--cycles N]`: the long runs of the fault tests that `npm test` runs short.
import { parseArgs } from 'node:util'
import { setup } from './setup.mjs'
import { main, show } from './steps.mjs'

const runs = {
  'power-cut': 'test/faults/power-cut.test.ts',
  'power-cut-loss': 'test/faults/power-cut-loss.test.ts',
  'failed-disk': 'test/faults/failed-disk.test.ts',
  'failed-start': 'test/faults/failed-start.test.ts',
  'full-disk': 'test/faults/full-disk.test.ts',
  'kill-nine': 'test/faults/kill-nine.test.ts',
}
/** Cycles where none are named: power cuts and kills, and failed calls of each kind. */
const LONG = { cuts: '200', calls: '20' }

await main(async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { cycles: { type: 'string' } } })
  const unknown = positionals.find(name => !Object.hasOwn(runs, name))
  if (unknown !== undefined)
    throw new Error(`there is no fault run '${unknown}'; there are ${Object.keys(runs).join(', ')}`)
  await setup()
  const files = (positionals.length === 0 ? Object.keys(runs) : positionals).map(name => runs[name])
  const env = {
    MILLRACE_POWER_CUTS: values.cycles ?? LONG.cuts,
    MILLRACE_KILL_CYCLES: values.cycles ?? LONG.cuts,
    MILLRACE_INJECTED_CALLS: values.cycles ?? LONG.calls,
  }
  await show('npx', ['--no-install', 'vitest', 'run', '--no-file-parallelism', ...files], { env })
})
