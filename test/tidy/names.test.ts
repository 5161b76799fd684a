// Names, sizes and links of the tree.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { files, read, root, under } from './tree.ts'

/** Files over 500 lines, each with its reason. The list may shrink; a new entry needs a better reason than its size. */
const longFiles: Record<string, string> = {}

test('nothing is called utils, helpers, common or misc', () => {
  const vague = files.filter(path => path.split('/').some(part => /^(utils?|helpers?|common|misc)(\.|$)/.test(part)))
  expect(vague).toEqual([])
})

test('a file of over 500 lines has a reason', () => {
  const long = [
    ...under('src', '.ts'),
    ...under('test', '.ts', '.mjs'),
    ...under('bench', '.mjs', '.rs'),
    ...under('native/crates', '.rs'),
    ...under('scripts', '.mjs'),
  ].filter(path => read(path).split('\n').length > 501)
  expect(long.filter(path => longFiles[path] === undefined)).toEqual([])
  expect(Object.keys(longFiles).filter(path => !long.includes(path))).toEqual([])
})

test('every source file opens with a comment', () => {
  const mute = [...under('src', '.ts'), ...under('bench', '.mjs'), ...under('scripts', '.mjs')].filter(
    path => !/^(#!.*\n)?\s*(\/\/|\/\*)/.test(read(path)),
  )
  expect(mute).toEqual([])
  const muteRust = under('native/crates', '.rs').filter(
    path => !/^\s*\/\//.test(read(path)) && !/(build|_tests)\.rs$/.test(path),
  )
  expect(muteRust).toEqual([])
})

test('links and paths in the documents lead somewhere', () => {
  const dead: string[] = []
  for (const path of [...under('docs', '.md'), 'README.md', 'CHANGELOG.md', 'bench/README.md']) {
    const text = read(path)
    for (const [, target = ''] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (!/^[a-z]+:/.test(target) && !existsSync(join(root, dirname(path), target))) dead.push(`${path} -> ${target}`)
    }
    for (const [, target = ''] of text.matchAll(
      /`((?:src|native|test|bench|docs|scripts)\/[\w./-]+\.(?:ts|rs|mjs|md|json|toml))`/g,
    )) {
      if (!existsSync(join(root, target))) dead.push(`${path} names ${target}`)
    }
  }
  // The walks name files from the folder of the crates.
  const walks = 'docs/architecture.md'
  for (const [, target = ''] of read(walks).matchAll(/`(\w+\/src\/[\w./-]+\.rs)`/g)) {
    if (!existsSync(join(root, 'native/crates', target))) dead.push(`${walks} names ${target}`)
  }
  expect(dead).toEqual([])
})

test('no unfinished marks are left', () => {
  const marks = [
    ...under('src', '.ts'),
    ...under('native/crates', '.rs'),
    ...under('bench', '.mjs', '.rs'),
    ...under('scripts', '.mjs'),
  ].filter(path => /\b(TODO|FIXME|XXX)\b|todo!\(|unimplemented!\(/.test(read(path)))
  expect(marks).toEqual([])
})
