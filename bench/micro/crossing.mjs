// Owns the cost of a crossing between JavaScript and native code: napi-rs (ours) beside node-addon-api, the same four calls.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { Bench } from 'tinybench'
import { addonPath } from '../../scripts/build-native.mjs'
import { repositoryRoot } from '../../test/clients/toolbox/cache.mjs'
import { alternate, ratio } from '../rounds.mjs'

const require = createRequire(import.meta.url)
const batchBytes = 64 * 1024
/** Calls in one timed sample: one call is shorter than the clock's own cost. */
const callsPerSample = 1000

/** Compiles the 50-line addon with the headers that ship beside the node binary. */
function nodeAddonApi() {
  const output = join(repositoryRoot, '.cache', 'node-addon-api', 'crossing.node')
  if (!existsSync(output)) {
    mkdirSync(dirname(output), { recursive: true })
    const headers = resolve(dirname(process.execPath), '..', 'include', 'node')
    const include = dirname(require.resolve('node-addon-api/package.json'))
    const source = join(repositoryRoot, 'bench', 'limits', 'node-addon-api', 'crossing.cc')
    const flags = [
      '-O3',
      '-std=c++17',
      '-shared',
      '-fPIC',
      '-DNAPI_VERSION=8',
      '-DNAPI_DISABLE_CPP_EXCEPTIONS',
      `-I${headers}`,
      `-I${include}`,
    ]
    execFileSync('g++', [...flags, source, '-o', output], { stdio: 'inherit' })
  }
  return require(output)
}

export async function crossingRow({ rounds, log }) {
  const sides = { 'napi-rs': require(join(repositoryRoot, addonPath())), 'node-addon-api': nodeAddonApi() }
  const batch = Buffer.alloc(batchBytes, 7)
  const calls = {
    'empty call': addon => () => addon.nothing(),
    'two numbers in, one out': addon => () => addon.addNumbers(1, 2),
    '64 KiB buffer in': addon => () => addon.sumBytes(batch),
    '64 KiB batch in and out': addon => () => addon.echoBatch(batch),
  }
  const contenders = Object.entries(calls).flatMap(([call, bind]) =>
    Object.entries(sides).map(([side, addon]) => ({
      name: `${call}, ${side}`,
      run: async () => {
        const bench = new Bench({ time: 300, warmupTime: 100 })
        const once = bind(addon)
        bench.add(call, () => {
          for (let index = 0; index < callsPerSample; index += 1) once()
        })
        await bench.run()
        return { nanoseconds: (bench.tasks[0].result.latency.p50 * 1e6) / callsPerSample }
      },
    })),
  )
  const samples = await alternate(contenders, { rounds, log })
  const ratios = Object.fromEntries(
    Object.keys(calls).map(call => [
      `${call}, napi-rs / node-addon-api`,
      ratio(samples, `${call}, napi-rs`, `${call}, node-addon-api`, 'nanoseconds'),
    ]),
  )
  return {
    row: 'crossing',
    title: 'one crossing between JavaScript and native code',
    settings: { batchBytes, rounds, load: 'tinybench' },
    samples,
    figures: ['nanoseconds'],
    ratios,
  }
}
