// Owns the JavaScript of `dist`: one bundle per entry point with shared chunks, because loading the tree file by file costs more than the whole start-up
// budget (54 protocol files: 35 ms one by one, 5 ms as one). Types are tsc's work.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { main, root } from './steps.mjs'

const entries = ['index', 'client/index', 'protocol/index', 'test-kit/index', 'cli/main']

await main(async () => {
  const bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map(name => [name, join(root, 'src', `${name}.ts`)])),
    platform: 'node',
    external: /^(?!#|\.|\/)/,
    resolve: { conditionNames: ['millrace-source', 'node', 'import'] },
  })
  for (const name of ['chunks']) rmSync(join(root, 'dist', name), { recursive: true, force: true })
  await bundle.write({
    dir: join(root, 'dist'),
    format: 'esm',
    chunkFileNames: 'chunks/[name]-[hash].js',
    minify: { compress: true, mangle: false, codegen: true },
  })
  await bundle.close()
})
