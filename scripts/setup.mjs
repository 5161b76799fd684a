// Owns what `npm start` and `npm test` need: packages, the native addon, compiled TypeScript. Skips what is up to date.
import { addonPath, buildNative } from './build-native.mjs'
import { main, show, whenChanged } from './steps.mjs'

export async function setup() {
  await whenChanged('packages', {
    inputs: ['package.json', 'package-lock.json'],
    outputs: ['node_modules/typescript'],
    title: 'install npm packages',
    // Not `npm ci`: it refuses a lock that lacks another platform's optional packages, which a mirror need not carry. Direct versions are exact,
    // the lock holds the rest, and nothing is written back.
    work: () =>
      show('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']),
  })
  await whenChanged('native', {
    inputs: ['native/Cargo.toml', 'native/Cargo.lock', 'native/crates'],
    outputs: [addonPath()],
    title: 'build the native core in release mode (first time: about 2 minutes)',
    work: buildNative,
  })
  await whenChanged('typescript', {
    inputs: ['src', 'tsconfig.json', 'tsconfig.build.json', 'package.json', 'scripts/bundle.mjs'],
    outputs: ['dist/cli/main.cjs'],
    title: 'compile TypeScript',
    work: () => show('npm', ['run', '--silent', 'build']),
  })
}

if (import.meta.url === `file://${process.argv[1]}`) await main(setup)
