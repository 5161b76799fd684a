// Versions: exact everywhere, and never below the floors that a security or soundness fix set.
import { expect, test } from 'vitest'
import { read } from './tree.ts'

/** Smallest acceptable version, and the reason in one clause. */
const floors: Record<string, [version: string, reason: string]> = {
  napi: ['3.12.1', 'addon unloaded under live threads'],
  'napi-derive': ['3.6.8', 'AsyncTask after environment death'],
  memmap2: ['0.9.11', 'RUSTSEC-2026-0186'],
  lz4_flex: ['0.12.1', 'RUSTSEC-2026-0041: block API leaks old memory'],
  'zstd-safe': ['8.2.0', 'RUSTSEC-2026-0403: a bad frame leaked heap memory'],
  bytes: ['1.11.1', 'RUSTSEC-2026-0007'],
  'crossbeam-epoch': ['0.9.20', 'RUSTSEC-2026-0204'],
  'crossbeam-channel': ['0.5.15', 'double free on drop'],
}

const parts = (version: string) => version.split(/[.+-]/).slice(0, 3).map(Number)
const below = (a: string, b: string) => {
  const [x, y] = [parts(a), parts(b)]
  for (let at = 0; at < 3; at += 1) if (x[at] !== y[at]) return (x[at] ?? 0) < (y[at] ?? 0)
  return false
}

/** Packages that only the tests' second opinion pulls in; they never ship. */
const testOnly = new Set(['zstd-safe@7'])

test('locked crates stand at or above their floors', () => {
  const lock = read('native/Cargo.lock')
  const low: string[] = []
  for (const [, name = '', version = ''] of lock.matchAll(/\[\[package\]\]\nname = "([^"]+)"\nversion = "([^"]+)"/g)) {
    const floor = floors[name]
    if (floor && below(version, floor[0]) && !testOnly.has(`${name}@${version.split('.')[0]}`))
      low.push(`${name} ${version} < ${floor[0]}: ${floor[1]}`)
  }
  expect(low).toEqual([])
})

test('npm packages are pinned exactly', () => {
  const manifest = JSON.parse(read('package.json'))
  const loose = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
    ([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)),
  )
  expect(loose).toEqual([])
})

test('nothing runs at install time', () => {
  const { scripts } = JSON.parse(read('package.json'))
  expect(['preinstall', 'install', 'postinstall', 'prepare'].filter(name => scripts[name] !== undefined)).toEqual([])
})
