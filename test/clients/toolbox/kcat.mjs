// Owns kcat: found on the path, else installed from Debian.
import { aptInstall, MissingTool, onPath, run } from './cache.mjs'

export async function kcatPath() {
  if (!onPath('kcat')) await aptInstall('kcat', ['kcat'])
  const path = onPath('kcat')
  if (!path) throw new MissingTool('kcat', 'installed but not on the path')
  return path
}

export async function kcat(args, options = {}) {
  return run(await kcatPath(), args, { timeoutMs: 60_000, ...options })
}
