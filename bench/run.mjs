// Owns `npm run bench -- <row> [--rounds N] [--records N] [--directory D]`: runs a row, prints its table, writes bench/results/.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { repositoryRoot } from '../test/clients/toolbox/cache.mjs'
import { machine } from './process-cost.mjs'
import { tableOf } from './report.mjs'

const rows = {
  1: async () => (await import('./rows/produce.mjs')).produce1KiB,
  '1-java': async () => (await import('./rows/produce.mjs')).produceJava,
  2: async () => (await import('./rows/produce.mjs')).produce100B,
  3: async () => (await import('./rows/fetch.mjs')).fetchRow,
  4: async () => (await import('./rows/latency.mjs')).latencyRow,
  '4-fast': async () => (await import('./rows/latency.mjs')).latencyRowFast,
  6: async () => (await import('./rows/durable.mjs')).durableOne,
  '6-64': async () => (await import('./rows/durable.mjs')).durableMany,
  '6-saturated': async () => (await import('./rows/durable.mjs')).durableSaturated,
  9: async () => (await import('./rows/embedded.mjs')).embeddedRow,
  10: async () => (await import('./rows/cold-start.mjs')).coldStartRow,
  11: async () => (await import('./rows/recovery.mjs')).recoveryRow,
  12: async () => (await import('./rows/partitions.mjs')).partitionsRow,
  crossing: async () => (await import('./micro/crossing.mjs')).crossingRow,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    records: { type: 'string' },
    directory: { type: 'string' },
  },
})
const name = positionals[0]
if (!name || !Object.hasOwn(rows, name)) {
  process.stderr.write(`usage: npm run bench -- <row>, where row is one of ${Object.keys(rows).join(', ')}\n`)
  process.exit(1)
}

const log = line => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`)
const directory = values.directory ?? join(tmpdir(), `millrace-bench-${process.pid}`)
mkdirSync(directory, { recursive: true })
try {
  const runRow = await rows[name]()
  const options = {
    rounds: Number(values.rounds),
    directory,
    log,
    ...(values.records === undefined ? {} : { records: Number(values.records) }),
  }
  const result = {
    ...(await runRow(options)),
    machine: machine(),
    at: new Date().toISOString(),
    command: `npm run bench -- ${process.argv.slice(2).join(' ')}`,
  }
  const table = tableOf(result)
  const results = join(repositoryRoot, 'bench', 'results')
  mkdirSync(results, { recursive: true })
  writeFileSync(join(results, `row-${name}.json`), `${JSON.stringify(result, null, 1)}\n`)
  writeFileSync(join(results, `row-${name}.md`), table)
  process.stdout.write(table)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
