// Owns how partitions are dealt to the members of a classic group. Pure. Never talks to a broker.
// Invariant: every partition of every subscribed topic goes to exactly one member that subscribes to it, and equal input gives
// equal output on every member, in the order Kafka's Java assignors use (member ids sorted, static members by instance id).

export interface AssignorMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly topics: readonly string[]
}

export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** Member id → what it gets. */
export type Assignments = ReadonlyMap<string, readonly TopicPartitions[]>

export interface Assignor {
  /** The protocol name other clients know it by. */
  readonly name: string
  assign(members: readonly AssignorMember[], partitionCounts: ReadonlyMap<string, number>): Assignments
}

/** Topic by topic, each member gets one consecutive range; the first members get the odd ones. */
export const rangeAssignor: Assignor = {
  name: 'range',
  assign(members, partitionCounts) {
    const dealt = new Dealt(members)
    for (const topic of subscribedTopics(members)) {
      const takers = sortMembers(members.filter(member => member.topics.includes(topic)))
      const count = partitionCounts.get(topic) ?? 0
      const each = Math.floor(count / takers.length)
      const odd = count % takers.length
      let next = 0
      takers.forEach((taker, index) => {
        const end = next + each + (index < odd ? 1 : 0)
        for (; next < end; next++) dealt.give(taker.memberId, topic, next)
      })
    }
    return dealt.assignments()
  },
}

/** All partitions in a row, dealt one by one around the members that subscribe to their topic. */
export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  assign(members, partitionCounts) {
    const dealt = new Dealt(members)
    const circle = sortMembers(members)
    let turn = 0
    for (const topic of subscribedTopics(members)) {
      for (let partition = 0; partition < (partitionCounts.get(topic) ?? 0); partition++) {
        // Some member subscribes to the topic, or it would not be listed: the search ends within one turn of the circle.
        while (!circle[turn % circle.length]?.topics.includes(topic)) turn++
        const taker = circle[turn % circle.length] as AssignorMember
        dealt.give(taker.memberId, topic, partition)
        turn++
      }
    }
    return dealt.assignments()
  },
}

export const ASSIGNORS: readonly Assignor[] = [rangeAssignor, roundRobinAssignor]

class Dealt {
  readonly #byMember = new Map<string, Map<string, number[]>>()

  constructor(members: readonly AssignorMember[]) {
    for (const member of members) this.#byMember.set(member.memberId, new Map())
  }

  give(memberId: string, topic: string, partition: number): void {
    const topics = this.#byMember.get(memberId) as Map<string, number[]>
    const partitions = topics.get(topic)
    if (partitions) partitions.push(partition)
    else topics.set(topic, [partition])
  }

  assignments(): Assignments {
    const result = new Map<string, readonly TopicPartitions[]>()
    for (const [memberId, topics] of this.#byMember) {
      result.set(
        memberId,
        [...topics].map(([topic, partitions]) => ({ topic, partitions })),
      )
    }
    return result
  }
}

function subscribedTopics(members: readonly AssignorMember[]): readonly string[] {
  return [...new Set(members.flatMap(member => member.topics))].sort(compare)
}

/** Static members first by instance id, then dynamic ones by member id: a restart of a static member changes nothing. */
function sortMembers(members: readonly AssignorMember[]): readonly AssignorMember[] {
  return [...members].sort((a, b) => {
    if (a.groupInstanceId !== null && b.groupInstanceId !== null) return compare(a.groupInstanceId, b.groupInstanceId)
    if (a.groupInstanceId !== null) return -1
    if (b.groupInstanceId !== null) return 1
    return compare(a.memberId, b.memberId)
  })
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
