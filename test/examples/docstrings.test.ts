// Every example in a docstring of a public door is run, as written, against the built package, from an empty directory.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const documented = ['src/index.ts', 'src/log/open-log.ts', 'src/test-kit/test-broker.ts']

function examplesIn(path: string): readonly string[] {
  const text = readFileSync(join(root, path), 'utf8')
  return [...text.matchAll(/^ \*\s+```ts\n([\s\S]*?)^ \*\s+```/gm)].map(([, body = '']) =>
    body.replace(/^ \*\s?/gm, ''),
  )
}

/** The examples of a guide: every block of TypeScript in it. */
function examplesOfGuide(path: string): readonly string[] {
  const text = readFileSync(join(root, path), 'utf8')
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, body = '']) => body)
}

const WARN_LEVEL = 40

/** Everything on standard error but the log's own lines below a warning. */
function complaintsIn(stderr: string): readonly string[] {
  return stderr.split('\n').filter(line => {
    const level = /^\{"level":(\d+),/.exec(line)?.[1]
    return line !== '' && (level === undefined || Number(level) >= WARN_LEVEL)
  })
}

test.each([...documented, 'docs/guide/log.md'])('the examples of %s run', path => {
  const examples = path.endsWith('.md') ? examplesOfGuide(path) : examplesIn(path)
  expect(examples.length).toBeGreaterThan(0)
  // Inside the repository, where `millrace` means this package; run elsewhere, where it may write.
  const folder = join(root, '.cache', 'examples')
  mkdirSync(folder, { recursive: true })
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-example-'))
  for (const [index, example] of examples.entries()) {
    const program = join(folder, `${path.replaceAll('/', '-')}-${index}.mjs`)
    writeFileSync(program, example)
    const { status, stderr } = spawnSync(process.execPath, [program], {
      cwd: scratch,
      encoding: 'utf8',
      timeout: 20_000,
    })
    expect({ status, complaints: complaintsIn(stderr) }).toEqual({ status: 0, complaints: [] })
  }
  rmSync(scratch, { recursive: true, force: true })
})
