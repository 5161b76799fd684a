import { describe, expect, test } from 'vitest'
import { manualHost } from '#host'

describe('manual host', () => {
  test('timers fire in order of their deadlines, each at its own time', () => {
    const host = manualHost({ nowMs: 1000 })
    const fired: [string, number][] = []
    const note = (name: string) => () => fired.push([name, host.clock.nowMs()])
    host.timers.setTimer(20, note('late'))
    host.timers.setTimer(10, note('first'))
    host.timers.setTimer(10, note('second'))
    host.advance(15)
    expect(fired).toEqual([
      ['first', 1010],
      ['second', 1010],
    ])
    host.advance(5)
    expect(fired).toHaveLength(3)
    expect(host.clock.monotonicMs()).toBe(20)
  })

  test('a timer set by a firing timer fires within the same advance', () => {
    const host = manualHost()
    const fired: number[] = []
    host.timers.setTimer(5, () => host.timers.setTimer(5, () => fired.push(host.clock.monotonicMs())))
    host.advance(100)
    expect(fired).toEqual([10])
  })

  test('a cancelled timer never fires', () => {
    const host = manualHost()
    const timer = host.timers.setTimer(5, () => expect.unreachable())
    timer.cancel()
    timer.cancel()
    host.advance(10)
    expect(host.pendingTimers).toBe(0)
  })

  test('the same seed draws the same uuids, another seed others', () => {
    const draw = (seed: number): string[] => {
      const { entropy } = manualHost({ seed })
      return Array.from({ length: 50 }, () => entropy.uuid())
    }
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
    expect(new Set(draw(7)).size).toBe(50)
  })

  test('files are listed by directory and absent ones read as null', () => {
    const { files } = manualHost()
    files.writeAtomicSync('/data/b', 'two')
    files.writeAtomicSync('/data/a', Buffer.from('one'))
    expect(files.list('/data')).toEqual(['a', 'b'])
    expect(files.read('/data/a')?.toString()).toBe('one')
    expect(files.readAt('/data/b', 1, 10).toString()).toBe('wo')
    expect(files.read('/data/c')).toBeNull()
    expect(() => files.readAt('/data/c', 0, 1)).toThrow(/no such file/)
  })

  test('loggers keep their lines with the joined name', () => {
    const host = manualHost()
    host.logger.child('broker').child('router').warn('slow', { ms: 3 })
    expect(host.lines).toEqual([{ level: 'warn', name: 'broker.router', message: 'slow', fields: { ms: 3 } }])
  })
})
