// Owns the JavaScript of `dist`: bundles with shared chunks, because loading the tree file by file costs more than the whole start-up
// budget (54 protocol files: 35 ms one by one, 5 ms as one). Types are tsc's work.
// The command line is a bundle of its own, as CommonJS and with its one library inside: Node's loader of ES modules
// alone costs a start 4 ms, and each file that is resolved another.
// Never deletes before it has written: a process may be running from here.
import { copyFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { main, root } from './steps.mjs'

const dist = join(root, 'dist')

const library = {
  entries: ['index', 'client/index', 'log/index', 'protocol/index', 'test-kit/index'],
  inside: [],
  output: { format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
}
const commandLine = {
  entries: ['cli/main'],
  inside: ['@stricli/core'],
  output: {
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: 'cli/[name]-[hash].cjs',
    postBanner: chunk =>
      chunk.isEntry ? '/*! With @stricli/core inside: Copyright 2024 Bloomberg Finance L.P., Apache-2.0 */' : '',
  },
}

/** A worker thread starts from a file of its own: it is copied as it is. */
const worker = 'partition-io-worker.cjs'

/** Resolves with the paths below `dist` that it wrote. */
async function write({ entries, inside, output }) {
  const bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map(name => [name, join(root, 'src', `${name}.ts`)])),
    platform: 'node',
    external: id => /^(?!#|\.|\/)/.test(id) && !inside.includes(id),
    resolve: { conditionNames: ['millrace-source', 'node', 'import'] },
  })
  // Names of functions and classes stay: they are what a stack trace in a report is read by.
  const { output: written } = await bundle.write({
    ...output,
    dir: dist,
    minify: {
      compress: { keepNames: { function: true, class: true } },
      mangle: { toplevel: false, keepNames: true },
      codegen: true,
    },
  })
  await bundle.close()
  return written.map(({ fileName }) => fileName)
}

/** What an earlier build left, and this one did not write again. */
function removeStale(written) {
  const kept = new Set(written)
  for (const path of readdirSync(dist, { recursive: true })) {
    if (/\.c?js$/.test(path) && !kept.has(path.replaceAll('\\', '/'))) rmSync(join(dist, path))
  }
}

await main(async () => {
  const written = [...(await write(library)), ...(await write(commandLine)), worker]
  copyFileSync(join(root, 'src', 'broker', 'partition-io', 'worker.cjs'), join(dist, worker))
  removeStale(written)
})
