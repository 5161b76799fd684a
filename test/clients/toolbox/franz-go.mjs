// Owns the franz-go test program: compiled from test/clients/franz-go with the module proxy's help.
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { MissingTool, onPath, repositoryRoot, run, toolDirectory } from './cache.mjs'

export async function franzGoPath() {
  const sources = join(repositoryRoot, 'test', 'clients', 'franz-go')
  const binary = join(toolDirectory('franz-go'), 'franzgo')
  const newest = Math.max(...['main.go', 'go.mod'].map(name => statSync(join(sources, name)).mtimeMs))
  if (existsSync(binary) && statSync(binary).mtimeMs > newest) return binary
  if (!onPath('go')) throw new MissingTool('franz-go', 'Go is not installed')
  await run('go', ['build', '-o', binary, '.'], { cwd: sources }).catch(error => {
    throw new MissingTool('franz-go', error.message)
  })
  return binary
}
