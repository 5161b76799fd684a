// Each folder has one door that says what it owns, and folders meet only at doors, along these edges.
import { expect, test } from 'vitest'
import { files, read, under } from './tree.ts'

/** Who may import whom, low to high. A door not listed may be imported by nobody. */
const edges: Record<string, readonly string[]> = {
  host: [],
  config: ['host'],
  protocol: [],
  native: ['host', 'protocol'],
  metadata: ['host', 'config', 'protocol', 'native'],
  controller: ['host', 'config', 'protocol', 'native', 'metadata'],
  coordinator: ['host', 'config', 'protocol', 'native', 'metadata'],
  broker: ['host', 'config', 'protocol', 'native', 'metadata', 'controller', 'coordinator'],
  client: ['host', 'config', 'protocol', 'native'],
  log: ['host', 'config', 'native'],
  'test-kit': ['host', 'config', 'protocol', 'native', 'broker', 'client'],
  cli: ['host', 'config', 'protocol', 'native', 'broker', 'client'],
}

/** Crates and the crates each may depend on: the layering of the native core. */
const crateEdges: Record<string, readonly string[]> = {
  record: [],
  wire: [],
  host: [],
  log: ['host', 'record'],
  replica: ['record'],
  broker: ['host', 'log', 'record', 'replica', 'wire'],
  embedded: ['host', 'log', 'record'],
  binding: ['broker', 'embedded', 'host', 'log', 'record', 'wire'],
}

const folders = [...new Set(under('src', '.ts').map(path => path.split('/')[1] ?? ''))].filter(
  name => !name.endsWith('.ts'),
)

test('every folder of src has its edges listed', () => {
  expect(folders.filter(folder => edges[folder] === undefined)).toEqual([])
})

test('every door says Owns, May touch and Never', () => {
  const mute = folders
    .filter(folder => folder !== 'cli')
    .map(folder => `src/${folder}/index.ts`)
    .filter(door => {
      const head = files.includes(door) ? read(door).slice(0, 1500) : ''
      return !(/Owns/.test(head) && /May touch/.test(head) && /Never/.test(head))
    })
  expect(mute).toEqual([])
})

test('every crate opens with what it owns and never does', () => {
  const mute = Object.keys(crateEdges).filter(crate => {
    const head = read(`native/crates/${crate}/src/lib.rs`).slice(0, 2500)
    return !(/Owns/.test(head) && /Never/.test(head))
  })
  expect(mute).toEqual([])
})

test('folders meet only at doors and along the listed edges', () => {
  const wrong: string[] = []
  for (const path of under('src', '.ts')) {
    const [, folder = ''] = path.split('/')
    for (const [, target = ''] of read(path).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
      if (target.startsWith('#')) {
        if (!folder.endsWith('.ts') && !edges[folder]?.includes(target.slice(1)))
          wrong.push(`${path} imports ${target}`)
      } else if (target.startsWith('.')) {
        const depth = path.split('/').length - 2
        const climbed = target.split('/').filter(part => part === '..').length
        if (!folder.endsWith('.ts') && climbed >= depth && depth > 0) wrong.push(`${path} imports ${target}`)
      }
    }
  }
  expect(wrong).toEqual([])
})

test('crates depend only on the layers below them', () => {
  const wrong: string[] = []
  for (const [crate, allowed] of Object.entries(crateEdges)) {
    const manifest = read(`native/crates/${crate}/Cargo.toml`)
    const dependencies = manifest.slice(manifest.indexOf('[dependencies]')).split('[dev-dependencies]')[0] ?? ''
    for (const [, name = ''] of dependencies.matchAll(/^millrace-(\w+)/gm))
      if (!allowed.includes(name)) wrong.push(`${crate} depends on ${name}`)
    if (crate !== 'binding' && /^napi/m.test(manifest)) wrong.push(`${crate} knows napi`)
    if (crate !== 'host' && /^(rustix|libc|memmap2|mio)/m.test(dependencies)) wrong.push(`${crate} knows syscalls`)
  }
  expect(wrong).toEqual([])
})

test('unsafe stands only in host and binding', () => {
  const unsafe = under('native/crates', '.rs').filter(path =>
    /\bunsafe\s*(\{|fn|impl)/.test(read(path).replaceAll(/\/\/.*$/gm, '')),
  )
  expect(unsafe.filter(path => !/^native\/crates\/(host|binding)\//.test(path))).toEqual([])
})

test('what decides holds no clock, randomness or timer', () => {
  const deciders = [
    ...under('src/controller', '.ts').filter(path => !path.endsWith('controller.ts')),
    ...under('src/coordinator/group', '.ts'),
    ...under('src/metadata', '.ts'),
    ...under('src/protocol', '.ts'),
  ]
  expect(
    deciders.filter(path =>
      /\bDate\.now|Math\.random|\bsetTimeout\(|\bsetInterval\(|performance\.now/.test(read(path)),
    ),
  ).toEqual([])
})
