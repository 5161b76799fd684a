// Owns `npm run bench -- <row>`: set up, then the row's own program.
import { setup } from './setup.mjs'
import { main, show } from './steps.mjs'

await main(async () => {
  await setup()
  await show(process.execPath, ['bench/run.mjs', ...process.argv.slice(2)])
})
