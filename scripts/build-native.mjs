// Owns the release build of the addon: cargo, then the library under the name that src/native looks for.
import { copyFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { main, root, show } from './steps.mjs'

/** `linux-x64-gnu`, `darwin-arm64`, ...: the triple in the addon's file name. */
export function platformTriple() {
  const { platform, arch } = process
  if (platform !== 'linux') return `${platform}-${arch}`
  const glibc = process.report.getReport().header.glibcVersionRuntime
  return `${platform}-${arch}-${glibc ? 'gnu' : 'musl'}`
}

export const addonPath = () => `native/millrace.${platformTriple()}.node`

export async function buildNative() {
  await show('cargo', [
    'build',
    '--release',
    '--locked',
    '--manifest-path',
    'native/Cargo.toml',
    '-p',
    'millrace-binding',
  ])
  const library = process.platform === 'darwin' ? 'libmillrace_binding.dylib' : 'libmillrace_binding.so'
  const target = join(root, addonPath())
  // Written beside and renamed: a running process may have the old file mapped.
  copyFileSync(join(root, 'native', 'target', 'release', library), `${target}.new`)
  renameSync(`${target}.new`, target)
}

if (import.meta.url === `file://${process.argv[1]}`) await main(buildNative)
