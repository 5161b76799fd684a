// Owns how the tidy tests see the tree: the files that git knows or would add, and their text.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '..', '..')

export const files: readonly string[] = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard'],
  { cwd: root, encoding: 'utf8' },
)
  .split('\n')
  .filter(path => path !== '' && existsSync(join(root, path)))

export const read = (path: string): string => readFileSync(join(root, path), 'utf8')
export const under = (folder: string, ...endings: string[]): readonly string[] =>
  files.filter(path => path.startsWith(`${folder}/`) && endings.some(ending => path.endsWith(ending)))
