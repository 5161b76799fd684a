import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PersistentMap } from '#metadata'

const key = fc.oneof(
  fc.string({ maxLength: 3 }),
  fc.integer({ min: 0, max: 500 }).map(n => `topic-${n}`),
)
const operation = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), key, value: fc.nat() }),
  fc.record({ kind: fc.constant('delete' as const), key, value: fc.constant(0) }),
)

describe('persistent map', () => {
  test('behaves as a map, and every earlier version stays as it was', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), operations => {
        let map: PersistentMap<number> = PersistentMap.empty
        const model = new Map<string, number>()
        const versions: [PersistentMap<number>, Map<string, number>][] = []
        for (const { kind, key, value } of operations) {
          versions.push([map, new Map(model)])
          map = kind === 'set' ? map.set(key, value) : map.delete(key)
          if (kind === 'set') model.set(key, value)
          else model.delete(key)
        }
        for (const [version, expected] of [...versions, [map, model] as const]) {
          expect(version.size).toBe(expected.size)
          expect(new Map(version.entries())).toEqual(expected)
          for (const [key, value] of expected) expect(version.get(key)).toBe(value)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('keys with the same hash live side by side', () => {
    // Both hash to the same 32 bits under FNV-1a.
    const [one, other] = collidingKeys()
    let map: PersistentMap<number> = PersistentMap.empty
    map = map.set(one, 1).set(other, 2).set('third', 3)
    expect([map.get(one), map.get(other), map.get('third'), map.size]).toEqual([1, 2, 3, 3])
    map = map.set(one, 4).delete(other)
    expect([map.get(one), map.get(other), map.size]).toEqual([4, undefined, 2])
    expect(map.delete(other)).toBe(map)
    expect(map.delete(one).delete('third').size).toBe(0)
  })

  test('a change shares all but the path to it', () => {
    let map: PersistentMap<number> = PersistentMap.empty
    const startMs = performance.now()
    for (let i = 0; i < 100_000; i++) map = map.set(`topic-${i}`, i)
    for (let i = 0; i < 100_000; i++) map = map.set('topic-7', i)
    // Copying 100,000 entries 200,000 times would take minutes.
    expect(performance.now() - startMs).toBeLessThan(5000)
    expect(map.size).toBe(100_000)
  })
})

/** Found by search over the hash of the map: FNV-1a with its high half mixed down. */
function collidingKeys(): [string, string] {
  const seen = new Map<number, string>()
  for (let i = 0; ; i++) {
    const key = `k${i.toString(36)}`
    let hash = 0x811c9dc5
    for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
    hash = (hash ^ (hash >>> 15)) >>> 0
    const other = seen.get(hash)
    if (other !== undefined) return [other, key]
    seen.set(hash, key)
  }
}
