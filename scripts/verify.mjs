// Owns `npm run verify`: everything a change must pass, without rewriting a file.
import { setup } from './setup.mjs'
import { main, show, step } from './steps.mjs'

await main(async () => {
  await setup()
  const cargo = (...args) => show('cargo', [args[0], '--manifest-path', 'native/Cargo.toml', ...args.slice(1)])
  const npx = (...args) => show('npx', ['--no-install', ...args])
  await step('formats', async () => {
    await npx('biome', 'ci', '.')
    await cargo('fmt', '--all', '--check')
  })
  await step('lint', async () => {
    await npx('oxlint', '--type-aware', '--deny-warnings', 'src', 'test', 'scripts', 'bench')
    await cargo('clippy', '--workspace', '--all-targets', '--locked', '--', '-D', 'warnings')
  })
  await step('types', () => npx('tsc', '-p', 'tsconfig.json', '--noEmit'))
  await step('tests', () => show(process.execPath, ['scripts/test.mjs']))
})
