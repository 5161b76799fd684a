// Owns `npm start`: set up what is missing, then become the broker.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setup } from './setup.mjs'
import { main, root } from './steps.mjs'

await main(async () => {
  await setup()
  const child = spawn(process.execPath, [join(root, 'dist', 'cli', 'main.cjs'), 'start', ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  process.exitCode = await new Promise(done => child.on('close', (code, signal) => done(code ?? (signal ? 1 : 0))))
})
