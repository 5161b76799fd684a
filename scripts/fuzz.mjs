// Owns `npm run fuzz -- [target] [seconds]`: the long runs of the fuzz targets that the tests run for two seconds.
import { main, root, show } from './steps.mjs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

await main(async () => {
  const [only, seconds = '300'] = process.argv.slice(2)
  const cwd = join(root, 'native')
  const listed = execFileSync('cargo', ['fuzz', 'list'], { cwd, encoding: 'utf8' }).trim().split('\n')
  // cargo-fuzz wants nightly's coverage flags; the stable compiler accepts them under this switch.
  const env = { RUSTC_BOOTSTRAP: '1' }
  for (const target of only ? [only] : listed)
    await show('cargo', ['fuzz', 'run', target, '--', `-max_total_time=${seconds}`, '-rss_limit_mb=512'], { cwd, env })
})
