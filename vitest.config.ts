import { defineConfig } from 'vitest/config'

// The addon may not be loaded in a worker thread that is later terminated (Node 20 crashes): forks only.
export default defineConfig({
  resolve: { conditions: ['millrace-source', 'node', 'import', 'default'] },
  ssr: { resolve: { conditions: ['millrace-source', 'node', 'import', 'default'] } },
  test: {
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
