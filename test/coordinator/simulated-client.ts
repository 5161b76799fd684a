// Owns one simulated consumer: it follows the group protocol as real clients do, one request at a time, and dies or leaves
// when told. It checks what it is told against what it knows.
import assert from 'node:assert'
import type { GroupCoordinator } from '#coordinator'
import {
  consumerAssignment,
  consumerSubscription,
  ErrorCode,
  errorOf,
  type HeartbeatResponseInput,
  type JoinGroupResponseInput,
  type OffsetCommitResponseInput,
  type SyncGroupResponseInput,
  ZERO_UUID,
} from '#protocol'
import type { SeededRandom } from '../protocol/seeded-random.ts'
import type { GroupHistory } from './group-history.ts'

export type Rebalancing = 'eager' | 'cooperative'

export interface SimulatedClientOptions {
  readonly name: string
  readonly groupId: string
  readonly instanceId: string | null
  readonly rebalancing: Rebalancing
  readonly groups: GroupCoordinator
  readonly random: SeededRandom
  readonly history: GroupHistory
  readonly partitions: number
}

type Step = 'join' | 'sync' | 'work' | 'dead'

export class SimulatedClient {
  readonly options: SimulatedClientOptions
  step: Step = 'join'
  memberId = ''
  generation = -1
  #leaderRoster: readonly string[] | null = null
  #owned: readonly number[] = []
  #isWaiting = false
  /** Moves on when the process dies: answers to its former life are not heard. */
  #life = 0

  constructor(options: SimulatedClientOptions) {
    this.options = options
  }

  get isWaiting(): boolean {
    return this.#isWaiting
  }

  get owned(): readonly number[] {
    return this.#owned
  }

  /** Stops without a word. A later act() is a new process: without member id, with the same instance id. */
  crash(): void {
    this.#life++
    this.#isWaiting = false
    this.memberId = ''
    this.generation = -1
    this.#owned = []
    this.step = 'dead'
  }

  act(): void {
    if (this.#isWaiting) return
    switch (this.step) {
      case 'dead':
        this.step = 'join'
        break
      case 'join':
        this.#join()
        break
      case 'sync':
        this.#sync()
        break
      case 'work':
        this.#work()
        break
      default:
        this.step satisfies never
    }
  }

  leave(): void {
    if (this.#isWaiting || this.step !== 'work') return
    const { groups, groupId, instanceId } = this.options
    const members = [{ memberId: this.memberId, groupInstanceId: instanceId, reason: null }]
    void groups.leaveGroup({ groupId, memberId: '', members }, this.#client())
    this.crash()
  }

  #client() {
    return { apiVersion: 9, clientId: this.options.name, clientHost: '/127.0.0.1' }
  }

  #ask<T>(answer: Promise<T>, then: (response: T) => void): void {
    const life = this.#life
    this.#isWaiting = true
    void answer.then(response => {
      if (life !== this.#life) return
      this.#isWaiting = false
      then(response)
    })
  }

  #join(): void {
    const { groups, groupId, instanceId, random, rebalancing } = this.options
    const ownedPartitions = rebalancing === 'cooperative' ? [{ topic: 't', partitions: this.#owned }] : []
    const metadata = consumerSubscription.encode({ topics: ['t'], ownedPartitions })
    const names = random.chance(20) ? ['sticky', 'range'] : ['range', 'sticky']
    const request = {
      groupId,
      sessionTimeoutMs: 6_000 + 1_000 * random.below(5),
      rebalanceTimeoutMs: 10_000,
      memberId: this.memberId,
      groupInstanceId: instanceId,
      protocolType: 'consumer',
      protocols: names.map(name => ({ name, metadata })),
      reason: null,
    }
    if (rebalancing === 'eager') this.#owned = []
    this.#ask(groups.joinGroup(request, this.#client()), answer => this.#joined(answer))
  }

  #joined({ errorCode = 0, ...answer }: JoinGroupResponseInput): void {
    switch (errorOf(errorCode).name) {
      case 'NONE': {
        this.memberId = answer.memberId ?? ''
        this.generation = answer.generationId ?? -1
        const members = (answer.members ?? []).map(({ memberId }) => memberId ?? '')
        const isLeader = answer.leader === this.memberId
        this.options.history.generationSeen(this.options.groupId, this.generation, answer.leader ?? '')
        if (isLeader) assert(members.includes(this.memberId), 'a leader is among the members it is told')
        this.#leaderRoster = isLeader && answer.skipAssignment !== true ? members : null
        this.step = 'sync'
        break
      }
      case 'MEMBER_ID_REQUIRED':
        this.memberId = answer.memberId ?? ''
        break
      case 'UNKNOWN_MEMBER_ID':
      case 'GROUP_MAX_SIZE_REACHED': // those that crashed still count
        this.#reset()
        break
      case 'FENCED_INSTANCE_ID':
        this.crash()
        break
      default:
        this.#retriable(errorCode)
    }
  }

  #sync(): void {
    const { groups, groupId, instanceId, history } = this.options
    const assignments = (this.#leaderRoster ?? []).map((memberId, index, all) => {
      const partitions = Array.from({ length: this.options.partitions }, (_, partition) => partition)
      const mine = partitions.filter(partition => partition % all.length === index)
      const assignment = consumerAssignment.encode({ assignedPartitions: [{ topic: 't', partitions: mine }] })
      return { memberId, assignment }
    })
    if (this.#leaderRoster !== null) history.assigned(groupId, this.generation, assignments)
    const request = {
      groupId,
      generationId: this.generation,
      memberId: this.memberId,
      groupInstanceId: instanceId,
      protocolType: 'consumer',
      protocolName: null,
      assignments,
    }
    this.#ask(groups.syncGroup(request, { ...this.#client(), apiVersion: 4 }), answer => this.#synced(answer))
  }

  #synced({ errorCode = 0, assignment = Buffer.alloc(0) }: SyncGroupResponseInput): void {
    switch (errorOf(errorCode).name) {
      case 'NONE':
        this.options.history.received(this.options.groupId, this.generation, this.memberId, assignment)
        this.#owned =
          assignment.length === 0 ? [] : (consumerAssignment.decode(assignment).assignedPartitions[0]?.partitions ?? [])
        this.step = 'work'
        break
      case 'UNKNOWN_MEMBER_ID':
      case 'ILLEGAL_GENERATION':
        this.#reset()
        break
      case 'FENCED_INSTANCE_ID':
        this.crash()
        break
      default:
        this.#retriable(errorCode)
        this.step = 'join'
    }
  }

  #work(): void {
    const { random } = this.options
    if (this.#owned.length > 0 && random.chance(2)) this.#commit(random.pick(this.#owned))
    else this.#heartbeat()
  }

  #heartbeat(): void {
    const { groups, groupId, instanceId } = this.options
    const request = { groupId, generationId: this.generation, memberId: this.memberId, groupInstanceId: instanceId }
    this.#ask(groups.heartbeat(request, this.#client()), (answer: HeartbeatResponseInput) =>
      this.#judged(answer.errorCode ?? 0),
    )
  }

  #commit(partition: number): void {
    const { groups, groupId, instanceId, history } = this.options
    const offset = history.nextOffset(groupId, partition)
    const partitions = [
      { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: null },
    ]
    const request = {
      groupId,
      generationIdOrMemberEpoch: this.generation,
      memberId: this.memberId,
      groupInstanceId: instanceId,
      retentionTimeMs: -1n,
      topics: [{ name: 't', topicId: ZERO_UUID, partitions }],
    }
    const life = this.#life
    this.#isWaiting = true
    void groups.offsetCommit(request, this.#client()).then((answer: OffsetCommitResponseInput) => {
      const errorCode = answer.topics?.[0]?.partitions?.[0]?.errorCode ?? 0
      if (errorCode === ErrorCode.NONE) history.committed(groupId, partition, offset)
      if (life !== this.#life) return
      this.#isWaiting = false
      this.#judged(errorCode)
    })
  }

  #judged(errorCode: number): void {
    switch (errorOf(errorCode).name) {
      case 'NONE':
        break
      case 'REBALANCE_IN_PROGRESS':
        this.step = 'join'
        break
      case 'UNKNOWN_MEMBER_ID':
      case 'ILLEGAL_GENERATION':
      case 'GROUP_ID_NOT_FOUND':
        this.#reset()
        break
      case 'FENCED_INSTANCE_ID':
        this.crash()
        break
      default:
        this.#retriable(errorCode)
    }
  }

  #reset(): void {
    this.memberId = ''
    this.generation = -1
    this.#owned = []
    this.step = 'join'
  }

  #retriable(errorCode: number): void {
    const { name } = errorOf(errorCode)
    const expected = [
      'REBALANCE_IN_PROGRESS',
      'COORDINATOR_NOT_AVAILABLE',
      'NOT_COORDINATOR',
      'COORDINATOR_LOAD_IN_PROGRESS',
    ]
    assert(expected.includes(name), `a client that does nothing wrong is told ${name}`)
  }
}
