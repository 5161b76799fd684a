// Owns the control-plane work that goes on while faults strike: topics created and deleted, offsets committed, each over the raw protocol of
// a foreign client so that every single answer is known. Notes what was acknowledged, and holds a broker to it afterwards.
import {
  Connection,
  createTopicsV7,
  deleteTopicsV6,
  metadataV12,
  offsetCommitV8,
  offsetFetchV8,
} from '@platformatic/kafka'
import { pause } from './producers.ts'

export interface ControlWork {
  readonly acknowledged: { created: number; deleted: number; committed: number }
  /** What the broker no longer honours of what it had acknowledged, one line each. */
  broken(): Promise<string[]>
  stop(): Promise<void>
}

const commitGroup = 'fault-commits'

export function controlWork(bootstrap: string, commitTopic: string): ControlWork {
  const acknowledged = { created: 0, deleted: 0, committed: 0 }
  /** A topic whose last request was not answered may be there or not. */
  const topics = new Map<string, 'there' | 'gone' | 'unknown'>()
  let committed = -1n
  let running = true

  const topicWork = eachConnection(async connection => {
    for (let at = topics.size; running; at += 1) {
      const name = `made-${at}`
      topics.set(name, 'unknown')
      const asked = { name, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }
      await createTopicsV7.api.async(connection, [asked], 5000, false)
      topics.set(name, 'there')
      acknowledged.created += 1
      // Two of three are deleted again.
      if (at % 3 !== 0) {
        topics.set(name, 'unknown')
        await deleteTopicsV6.api.async(connection, [{ name, topicId: null }], 5000)
        topics.set(name, 'gone')
        acknowledged.deleted += 1
      }
      await pause(20)
    }
  })
  const commitWork = eachConnection(async connection => {
    while (running) {
      const next = committed + 1n
      const partition = { partitionIndex: 0, committedOffset: next, committedLeaderEpoch: -1, committedMetadata: '' }
      const asked = [{ name: commitTopic, partitions: [partition] }]
      await offsetCommitV8.api.async(connection, commitGroup, -1, '', null, asked)
      committed = next
      acknowledged.committed += 1
    }
  })

  /** Runs `work` on a connection, on a new one whenever it fails. */
  async function eachConnection(work: (connection: Connection) => Promise<void>) {
    while (running) {
      // What was not answered counts for nothing; the broker is back for the next.
      await withConnection(bootstrap, work).catch(() => {})
      if (running) await pause(50)
    }
  }

  return {
    acknowledged,
    async broken() {
      // What is acknowledged from here on is for the next look.
      const promised = new Map(topics)
      const floor = committed
      const lines: string[] = []
      const present = await patiently(bootstrap, topicNames)
      for (const [name, state] of promised) {
        // The worker may have gone on with a topic meanwhile.
        if (topics.get(name) !== state) continue
        if (state === 'there' && !present.has(name)) lines.push(`${name} was created and is gone`)
        if (state === 'gone' && present.has(name)) lines.push(`${name} was deleted and is back`)
      }
      const found = await patiently(bootstrap, connection => committedOffset(connection, commitTopic))
      if (found < floor) lines.push(`offset ${floor} was committed, ${found} is there`)
      return lines
    },
    async stop() {
      running = false
      await Promise.all([topicWork, commitWork])
    },
  }
}

async function topicNames(connection: Connection): Promise<Set<string>> {
  const answer = await metadataV12.api.async(connection, null, false, false)
  return new Set(answer.topics.map(topic => topic.name ?? ''))
}

async function committedOffset(connection: Connection, topic: string): Promise<bigint> {
  const group = {
    groupId: commitGroup,
    memberId: null,
    memberEpoch: -1,
    topics: [{ name: topic, partitionIndexes: [0] }],
  }
  const answer = await offsetFetchV8.api.async(connection, [group], false)
  return answer.groups[0]?.topics[0]?.partitions[0]?.committedOffset ?? -1n
}

export async function withConnection<T>(bootstrap: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  const [host = '', port] = bootstrap.split(':')
  const connection = new Connection('faults', { connectTimeout: 1000, requestTimeout: 10_000 })
  connection.on('error', () => {})
  try {
    await connection.connect(host, Number(port))
    return await work(connection)
  } finally {
    // The broker may have gone first.
    await connection.close().catch(() => {})
  }
}

/** Retriable errors (the coordinator is loading, say) are asked again. */
async function patiently<T>(bootstrap: string, ask: (connection: Connection) => Promise<T>): Promise<T> {
  const deadline = Date.now() + 20_000
  for (;;) {
    try {
      return await withConnection(bootstrap, ask)
    } catch (error) {
      if (Date.now() > deadline) throw error
      await pause(100)
    }
  }
}
