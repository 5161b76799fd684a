import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  ASSIGNORS,
  type AssignorMember,
  rangeAssignor,
  roundRobinAssignor,
} from '../../../src/client/consumer/assignors.ts'

const member = (
  memberId: string,
  topics: readonly string[],
  groupInstanceId: string | null = null,
): AssignorMember => ({ memberId, groupInstanceId, topics })
const plain = (
  assignments: ReadonlyMap<string, readonly { topic: string; partitions: readonly number[] }[]>,
): Record<string, string[]> =>
  Object.fromEntries(
    [...assignments].map(([id, list]) => [
      id,
      list.flatMap(({ topic, partitions }) => partitions.map(partition => `${topic}${partition}`)),
    ]),
  )

test('range gives each member a run of each topic, the first members the odd ones', () => {
  const members = [member('b', ['t', 'u']), member('a', ['t', 'u'])]
  const counts = new Map([
    ['t', 3],
    ['u', 3],
  ])
  expect(plain(rangeAssignor.assign(members, counts))).toEqual({ a: ['t0', 't1', 'u0', 'u1'], b: ['t2', 'u2'] })
})

test('round robin deals partitions in turn and passes over who does not subscribe', () => {
  const members = [member('a', ['t']), member('b', ['t', 'u']), member('c', ['u'])]
  const counts = new Map([
    ['t', 3],
    ['u', 3],
  ])
  expect(plain(roundRobinAssignor.assign(members, counts))).toEqual({
    a: ['t0', 't2'],
    b: ['t1', 'u0', 'u2'],
    c: ['u1'],
  })
})

test('static members come first, by instance id, whatever their member ids', () => {
  const members = [member('a', ['t']), member('z', ['t'], 'instance-1')]
  expect(plain(rangeAssignor.assign(members, new Map([['t', 3]])))).toEqual({ z: ['t0', 't1'], a: ['t2'] })
})

test.each(ASSIGNORS)(
  '$name gives every partition to exactly one subscriber, whatever the order of members',
  assignor => {
    const topics = ['t', 'u', 'v']
    const arbitraryMember = fc.record({
      memberId: fc.string({ minLength: 1, maxLength: 3 }),
      subscribed: fc.subarray(topics),
    })
    fc.assert(
      fc.property(
        fc.uniqueArray(arbitraryMember, { minLength: 1, maxLength: 6, selector: each => each.memberId }),
        fc.tuple(fc.nat(7), fc.nat(7), fc.nat(7)),
        (list, counts) => {
          const members = list.map(({ memberId, subscribed }) => member(memberId, subscribed))
          const partitionCounts = new Map(topics.map((topic, index) => [topic, counts[index] as number]))
          const assignments = assignor.assign(members, partitionCounts)
          const owners = Object.entries(plain(assignments)).flatMap(([id, partitions]) =>
            partitions.map(partition => ({ id, partition })),
          )
          const expected = topics.flatMap(topic =>
            members.some(each => each.topics.includes(topic))
              ? Array.from({ length: partitionCounts.get(topic) ?? 0 }, (_, index) => `${topic}${index}`)
              : [],
          )
          expect(owners.map(({ partition }) => partition).sort()).toEqual(expected.sort())
          for (const { id, partition } of owners)
            expect(members.find(({ memberId }) => memberId === id)?.topics).toContain(partition[0])
          expect(plain(assignor.assign([...members].reverse(), partitionCounts))).toEqual(plain(assignments))
        },
      ),
    )
  },
)
