// Seeded simulation: random clients (eager and cooperative, dynamic and static, crashing and leaving) on the real runtime with
// a log whose appends take their time, fail, or fail in doubt, and with leadership that moves. SEEDS=n runs more seeds.
//
// Invariants: a generation has one leader; what a member is assigned is what its leader assigned; an acknowledged commit is
// never lost and a committed offset never falls; the log replays to the live state at any quiet point; nobody waits for ever.
import assert from 'node:assert'
import { expect, test } from 'vitest'
import { BrokerConfig } from '#config'
import { GroupCoordinator } from '#coordinator'
import { manualHost } from '#host'
import { decodeBatches, ZERO_UUID } from '#protocol'
import { groupRecordSerde } from '../../src/coordinator/group/group-records.ts'
import { groupSettings } from '../../src/coordinator/group/group-coordinator.ts'
import { GroupShard } from '../../src/coordinator/group/group-shard.ts'
import { SeededRandom } from '../protocol/seeded-random.ts'
import { testBatchCodec } from '../protocol/test-batch-codec.ts'
import { GroupHistory } from './group-history.ts'
import { MemoryLogs, settled } from './memory-logs.ts'
import { SimulatedClient } from './simulated-client.ts'

const GROUPS = ['g0', 'g1']
const PARTITIONS = 6
const STEPS = 1_500
const SEEDS = Number(process.env['SEEDS'] ?? 12)

class Simulation {
  readonly random: SeededRandom
  readonly host = manualHost()
  readonly logs = new MemoryLogs()
  readonly history = new GroupHistory()
  readonly config = BrokerConfig.load({
    overrides: {
      'offsets.topic.num.partitions': '1',
      'group.initial.rebalance.delay.ms': '500',
      'group.max.size': '6',
    },
  })
  readonly groups: GroupCoordinator
  readonly clients: SimulatedClient[]
  #flushes: (() => void)[] = []
  #leads = true
  #epoch = 0
  readonly #found = new Map<string, bigint>()

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.groups = new GroupCoordinator({
      host: this.host,
      config: this.config,
      logs: this.logs,
      batchCodec: testBatchCodec,
      atEndOfTurn: flush => this.#flushes.push(flush),
    })
    void this.groups.partitionElected(0, 0)
    this.clients = Array.from({ length: 8 }, (_, index) => this.#client(index))
  }

  #client(index: number): SimulatedClient {
    return new SimulatedClient({
      name: `c${index}`,
      groupId: GROUPS[index % GROUPS.length] as string,
      instanceId: index % 3 === 0 ? `i${index}` : null,
      rebalancing: index % 2 === 0 ? 'eager' : 'cooperative',
      groups: this.groups,
      random: this.random,
      history: this.history,
      partitions: PARTITIONS,
    })
  }

  async step(): Promise<void> {
    const { random } = this
    const client = random.pick(this.clients)
    switch (random.below(60)) {
      case 0:
        client.crash()
        break
      case 1:
        client.leave()
        break
      case 2:
        if (this.#leads) this.groups.partitionResigned(0)
        else void this.groups.partitionElected(0, ++this.#epoch)
        this.#leads = !this.#leads
        this.history.reign++
        break
      case 3:
        this.groups.topicDeleted(['other'])
        break
      case 4:
      case 5:
      case 6:
      case 7:
        this.host.advance(random.below(1_500))
        break
      default:
        client.act()
    }
    await settled()
    if (random.chance(2)) await this.#endTurn()
    if (this.logs.waiting > 0 && random.chance(3)) await this.#finishAppend()
    this.#checkOffsets()
  }

  async #endTurn(): Promise<void> {
    const flushes = this.#flushes
    this.#flushes = []
    for (const flush of flushes) flush()
    await settled()
  }

  async #finishAppend(): Promise<void> {
    if (this.random.chance(25)) await this.logs.fail('NOT_ENOUGH_REPLICAS')
    else if (this.random.chance(60)) {
      this.history.reign++
      await this.logs.failInDoubt()
    } else await this.logs.succeed()
  }

  /** Everything under way comes to its end. */
  async quiesce(): Promise<void> {
    if (!this.#leads) {
      void this.groups.partitionElected(0, ++this.#epoch)
      this.#leads = true
    }
    for (let round = 0; round < 50; round++) {
      await this.#endTurn()
      while (this.logs.waiting > 0) await this.logs.succeed()
      await settled()
      if (this.#flushes.length === 0 && this.logs.waiting === 0) return
    }
    assert.fail('the coordinator never comes to rest')
  }

  #checkOffsets(): void {
    for (const groupId of GROUPS) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const found = this.#committed(groupId, partition)
        if (found === null) continue
        const key = `${groupId} ${partition}`
        assert(found >= this.history.acknowledged(groupId, partition), `${key}: an acknowledged commit is lost`)
        assert(found >= (this.#found.get(key) ?? -1n), `${key}: the committed offset falls`)
        this.#found.set(key, found)
      }
    }
  }

  #committed(groupId: string, partition: number): bigint | null {
    const topics = [{ name: 't', topicId: ZERO_UUID, partitionIndexes: [partition] }]
    const group = this.groups.offsetFetch({ groupId, memberId: null, memberEpoch: -1, topics }, false)
    return group.errorCode === 0 ? (group.topics?.[0]?.partitions?.[0]?.committedOffset ?? null) : null
  }

  /** What the log says, beside what the coordinator says. Groups between two generations are ahead of the log. */
  checkReplay(): void {
    const shard = new GroupShard(groupSettings(this.config))
    const bytes = this.logs.read(0, 0n, Number.MAX_SAFE_INTEGER)
    for (const batch of decodeBatches(bytes, testBatchCodec)) {
      for (const { key, value, offset } of batch.records()) {
        const record = groupRecordSerde.decode(key as Buffer, value)
        assert(record !== null)
        shard.replay(record, { offset, transactionalProducerId: -1n })
      }
    }
    const listed = this.groups.listGroups({ statesFilter: [], typesFilter: [] }).groups ?? []
    expect(listed.map(({ groupId }) => groupId).sort()).toEqual([...shard.groups.keys()].sort())
    for (const { groupId = '', groupState } of listed) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const live = this.#committed(groupId, partition)
        expect([groupId, partition, live]).toEqual([
          groupId,
          partition,
          shard.offsets.get(groupId, 't', partition)?.offset ?? -1n,
        ])
      }
      if (groupState !== 'Stable' && groupState !== 'Empty') continue
      const live = this.groups.describeGroups(
        { groups: [groupId], includeAuthorizedOperations: false },
        { apiVersion: 6, clientId: '', clientHost: '' },
      )
      expect(withSortedMembers(shard.describe(groupId))).toEqual(withSortedMembers(live.groups?.[0] ?? null))
    }
  }

  /** With nobody crashing and every append succeeding, all clients end up working in their groups. */
  async settleDown(): Promise<void> {
    for (let round = 0; round < 400; round++) {
      for (const client of this.clients) client.act()
      await this.quiesce()
      this.host.advance(250)
      await this.quiesce()
    }
    for (const client of this.clients)
      assert.equal(client.step, 'work', `${client.options.name} found no place in its group`)
    for (const groupId of GROUPS) {
      const members = this.clients.filter(client => client.options.groupId === groupId)
      expect(new Set(members.map(({ generation }) => generation)).size).toBe(1)
      const owned = members.flatMap(client => client.owned).sort((a, b) => a - b)
      expect(owned).toEqual(Array.from({ length: PARTITIONS }, (_, partition) => partition))
    }
  }
}

function withSortedMembers(
  described: { readonly members?: readonly { readonly memberId?: string | undefined }[] | undefined } | null,
): unknown {
  if (described === null) return null
  const members = [...(described.members ?? [])].sort((a, b) => ((a.memberId ?? '') < (b.memberId ?? '') ? -1 : 1))
  return { ...described, members }
}

test.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
  'seed %i: groups keep their promises',
  async seed => {
    const simulation = new Simulation(seed)
    for (let step = 0; step < STEPS; step++) {
      await simulation.step()
      if (step % 100 === 99) {
        await simulation.quiesce()
        simulation.checkReplay()
      }
    }
    await simulation.settleDown()
    simulation.checkReplay()
    expect(simulation.history.generations).toBeGreaterThan(5)
    expect(simulation.history.commits).toBeGreaterThan(20)
    simulation.groups.close()
    expect(simulation.host.pendingTimers).toBe(0)
  },
  60_000,
)
