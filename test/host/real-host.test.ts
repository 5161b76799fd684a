import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { manualHost, realHost, Shutdown, uuidFromBytes, uuidToBytes, ZERO_UUID } from '#host'

const directory = mkdtempSync(join(tmpdir(), 'millrace-host-'))
afterAll(() => rmSync(directory, { recursive: true }))
const { entropy, files, timers } = realHost({ level: 'silent' })

describe('entropy', () => {
  test('uuids are version 4, 22 characters, and never start with a dash', () => {
    for (let i = 0; i < 2000; i++) {
      const uuid = entropy.uuid()
      expect(uuid).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/)
      const bytes = uuidToBytes(uuid)
      expect((bytes[6] as number) >> 4).toBe(4)
      expect(uuidFromBytes(bytes)).toBe(uuid)
    }
  })

  test('the zero uuid has its two forms', () => {
    expect(uuidToBytes(ZERO_UUID)).toEqual(Buffer.alloc(16))
    expect(() => uuidToBytes('short')).toThrow(/not a uuid/)
  })
})

describe('files', () => {
  test.each(['blocking', 'async'])('an atomic write (%s) replaces the file and leaves no temporary one', async how => {
    const path = join(directory, `state-${how}`)
    const write = async (text: string): Promise<void> =>
      how === 'async' ? await files.writeAtomic(path, text) : files.writeAtomicSync(path, text)
    await write('old and longer')
    await write('new')
    expect(files.read(path)?.toString()).toBe('new')
    expect(files.sizeBytes(path)).toBe(3)
    expect(readdirSync(directory).filter(name => name.endsWith('.tmp'))).toEqual([])
  })

  test('an atomic write into a missing directory fails and says so', async () => {
    await expect(files.writeAtomic(join(directory, 'no', 'file'), 'x')).rejects.toThrow(/ENOENT/)
  })

  test('reads at a position stop at the end of the file', () => {
    const path = join(directory, 'bytes')
    writeFileSync(path, '0123456789')
    expect(files.readAt(path, 7, 100).toString()).toBe('789')
    expect(files.readAt(path, 10, 5)).toHaveLength(0)
    expect(files.read(join(directory, 'absent'))).toBeNull()
    expect(files.list(join(directory, 'absent'))).toEqual([])
  })
})

describe('timers', () => {
  test('a real timer fires after its delay and one beyond the platform limit does not fire at once', async () => {
    let early = false
    const far = timers.setTimer(2 ** 33, () => {
      early = true
    })
    const keepAlive = setTimeout(() => {}, 5000)
    await new Promise<void>(resolve => timers.setTimer(5, resolve))
    clearTimeout(keepAlive)
    far.cancel()
    expect(early).toBe(false)
  })
})

describe('logger', () => {
  // Node 20 cannot run TypeScript itself: the host is bundled to plain JavaScript first, once.
  const bundle = join(directory, 'host.mjs')
  beforeAll(async () => {
    await build({
      configFile: false,
      logLevel: 'error',
      build: {
        ssr: join(import.meta.dirname, '../../src/host/index.ts'),
        outDir: directory,
        emptyOutDir: false,
        rollupOptions: { output: { entryFileNames: 'host.mjs' } },
      },
    })
    symlinkSync(join(import.meta.dirname, '../../node_modules'), join(directory, 'node_modules'))
  })
  const logs = (script: string): { level: number; msg: string }[] => {
    const result = spawnSync(process.execPath, ['--input-type=module', '-e', script.replace('#host', bundle)], {
      encoding: 'utf8',
    })
    expect(result.status, result.stderr).toBe(0)
    return result.stderr
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line))
  }

  test('lines logged just before the process ends are not lost', () => {
    const lines = logs(`
      import { realHost } from '#host'
      const logger = realHost({ level: 'info' }).logger.child('broker')
      logger.debug('unseen')
      logger.info('ready', { offset: 12n })
      logger.error('broken', { error: new TypeError('why') })`)
    expect(lines).toMatchObject([
      { level: 30, name: 'broker', msg: 'ready', offset: '12' },
      { level: 50, name: 'broker', msg: 'broken', error: { type: 'TypeError', message: 'why' } },
    ])
  })

  test('lines from before and after pino is loaded come out in order', () => {
    const lines = logs(`
      import { realHost } from '#host'
      const { logger } = realHost()
      logger.info('one')
      setTimeout(() => { logger.info('two', { error: new Error('x') }); logger.warn('three') }, 1500)`)
    expect(lines.map(line => [line.level, line.msg])).toEqual([
      [30, 'one'],
      [30, 'two'],
      [40, 'three'],
    ])
  })
})

describe('shutdown', () => {
  test('closes the last opened first, goes on past a failure, and waits for tracked work', async () => {
    const host = manualHost()
    const shutdown = new Shutdown(host.logger)
    const order: string[] = []
    let finish = (): void => {}
    shutdown.onClose('log', () => void order.push('log'))
    shutdown.onClose('broker', () => {
      throw new Error('no')
    })
    shutdown.onClose('listener', async () => void order.push('listener'))
    shutdown.track(
      'snapshot',
      new Promise<void>(resolve => (finish = resolve)).then(() => void order.push('snapshot')),
    )
    shutdown.track('doomed', Promise.reject(new Error('lost')))
    const closed = shutdown.close()
    expect(shutdown.signal.aborted).toBe(true)
    setImmediate(finish)
    await closed
    await shutdown.close()
    expect(order).toEqual(['listener', 'log', 'snapshot'])
    expect(host.lines.map(line => line.message).sort()).toEqual(['closing broker failed', 'doomed failed'])
  })
})
