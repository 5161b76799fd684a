// Owns row 9: records of 1 KiB into and out of an embedded store, beside the file system's own calls, lmdb and LevelDB, and beside bare loops.
// Each contender runs in a process of its own, on files of its own that stay until the end, with memory touched before.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runLoad } from '../opponents/child.mjs'
import { limitLoad, touchMemory } from '../opponents/limits.mjs'
import { alternate, median, ratio } from '../rounds.mjs'

const program = fileURLToPath(new URL('../opponents/embedded-stores.mjs', import.meta.url))
const recordBytes = 1024
const peers = ['fs', 'lmdb', 'classic-level']
/** Memory touched before a run, in data sizes: what it writes and reads with, and what the kernel keeps free besides. */
const touchedTimes = 12
/** Figure, and whether more is better. */
const compared = { appendNs: false, batchGB: true, readNs: false, viewNs: false, scanGB: true }

export async function embeddedRow({ rounds, records = 250_000, directory, log }) {
  const bytes = records * recordBytes
  let run = 0
  const contender = name => ({
    name,
    async run() {
      run += 1
      const own = join(directory, `${name.replace(' ', '-')}-${run}`)
      mkdirSync(own)
      // What a store writes, twice or three times, with its own overhead.
      await touchMemory(bytes * touchedTimes)
      if (name === 'limit') return limitLoad('embedded', own, bytes)
      const { stdout } = await runLoad(process.execPath, [program, name, own, String(records)])
      return JSON.parse(stdout)
    },
  })
  const contenders = ['limit', 'millrace', 'millrace packed', ...peers].map(contender)
  const samples = await alternate(contenders, { rounds, log })
  const ratios = {}
  for (const [figure, isMore] of Object.entries(compared)) {
    const of = name => median(samples[name].map(sample => sample[figure]))
    const [best] = [...peers].sort((a, b) => (isMore ? of(b) - of(a) : of(a) - of(b)))
    const times = isMore ? ratio(samples, 'millrace', best, figure) : ratio(samples, best, 'millrace', figure)
    ratios[`${figure}: times better than the best peer (${best})`] = times
  }
  return {
    row: 9,
    title: 'an embedded store in Node, records of 1 KiB',
    settings: {
      records,
      recordBytes,
      rounds,
      sync: 'none, everywhere',
      batch: '256 records',
      values: 'each read looks at a byte of the value',
    },
    samples,
    figures: ['appendNs', 'burstNs', 'batchGB', 'packedGB', 'readNs', 'viewNs', 'scanGB'],
    ratios,
  }
}
