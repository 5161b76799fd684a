import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { placeReplicas } from '../../src/controller/replica-placer.ts'

const brokers = (count: number, racks: number, fenced: readonly number[] = []) =>
  Array.from({ length: count }, (_, index) => ({
    nodeId: index,
    rack: racks === 0 ? null : `r${index % racks}`,
    fenced: fenced.includes(index),
  }))
const place = (list: ReturnType<typeof brokers>, partitionCount: number, replicationFactor: number, start = 0) =>
  placeReplicas({ brokers: list, firstPartition: 0, partitionCount, replicationFactor, start })

describe('replica placement', () => {
  test('leaders go round all brokers', () => {
    const leaders = place(brokers(3, 0), 6, 2, 1).map(replicas => replicas[0])
    expect(leaders).toEqual([1, 2, 0, 1, 2, 0])
  })

  test('replicas are on as many racks as there are', () => {
    for (const replicas of place(brokers(6, 3), 30, 3)) expect(new Set(replicas.map(id => id % 3)).size).toBe(3)
  })

  test('followers do not always meet the same leader', () => {
    const pairs = new Set(place(brokers(4, 0), 12, 2).map(String))
    expect(pairs.size).toBe(12)
  })

  test('a fenced broker is taken only when there is no other, and leads nothing', () => {
    expect(place(brokers(3, 0, [1]), 4, 2).flat()).not.toContain(1)
    for (const replicas of place(brokers(3, 0, [1]), 4, 3)) {
      expect(replicas[0]).not.toBe(1)
      expect(replicas).toHaveLength(3)
    }
  })

  test('too few brokers are named', () => {
    expect(() => place(brokers(2, 0), 1, 3)).toThrow(/3 time\(s\).*only 2 broker\(s\) are registered/)
    expect(() => place(brokers(2, 0, [0, 1]), 1, 1)).toThrow(/All brokers are currently fenced/)
    expect(() => place([], 1, 1)).toThrow(/fenced/)
  })

  test('replicas always differ, and load differs by no more than a round', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(1000),
        (count, racks, partitions, factor, start) => {
          fc.pre(factor <= count)
          const placed = place(brokers(count, racks), partitions, factor, start)
          expect(placed).toHaveLength(partitions)
          for (const replicas of placed) expect(new Set(replicas).size).toBe(factor)
          const led = Array.from({ length: count }, (_, id) => placed.filter(replicas => replicas[0] === id).length)
          expect(Math.max(...led) - Math.min(...led)).toBeLessThanOrEqual(1)
        },
      ),
    )
  })
})
