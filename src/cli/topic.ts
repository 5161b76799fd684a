// Owns the work of `millrace topic ...`. Never decides how rows look (table.ts) or what an error means (client-failure.ts).
// Invariant: what succeeded is printed before the first failure ends the command.
import { Admin, type ConfigEntry, type KafkaError, type ListedOffset, type TopicDescription } from '#client'
import { clientFailure, tellingFailures } from './client-failure.ts'
import { type ConnectionFlags, connectionOptions } from './connection-flags.ts'
import { StandardOutput } from './standard-output.ts'
import { formatTable, type Table } from './table.ts'
import type { TopicCreateFlags, TopicDeleteFlags, TopicDescribeFlags, TopicListFlags } from './topic-routes.ts'

export async function createTopics(flags: TopicCreateFlags, ...names: string[]): Promise<void> {
  const { partitions, replicationFactor, config = [] } = flags
  const topic = {
    ...(partitions === undefined ? {} : { partitions }),
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
    configs: Object.fromEntries(config),
  }
  await withAdmin(flags, async (admin, output) => {
    const results = await admin.createTopics(names.map(name => ({ name, ...topic })))
    const isFine = (error: KafkaError | null): boolean =>
      error === null || (flags.ifNotExists && error.code === 'TOPIC_ALREADY_EXISTS')
    const created = results.filter(({ error }) => error === null)
    if (flags.json) {
      const rows = created.map(({ name, topicId, partitions: count, replicationFactor: factor }) => ({
        name,
        topicId,
        partitions: count,
        replicationFactor: factor,
      }))
      await output.write(`${JSON.stringify(rows)}\n`)
    } else
      for (const { name, partitions: count } of created)
        await output.write(`created ${name}${count === null ? '' : ` (${plural(count, 'partition')})`}\n`)
    throwFirst(results.filter(({ error }) => !isFine(error)))
  })
}

export async function listTopics(flags: TopicListFlags): Promise<void> {
  await withAdmin(flags, async (admin, output) => {
    const topics = (await admin.listTopics()).filter(topic => flags.internal || !topic.isInternal)
    if (flags.json) return output.write(`${JSON.stringify(topics)}\n`)
    const rows = topics.map(({ name, partitions, replicationFactor }) => [name, partitions, replicationFactor])
    await print(output, { columns: ['NAME', 'PARTITIONS', 'REPLICAS'], rows })
  })
}

export async function describeTopics(flags: TopicDescribeFlags, ...names: string[]): Promise<void> {
  await withAdmin(flags, async (admin, output) => {
    const topics = await admin.describeTopics(names)
    const found = topics.filter(({ error }) => error === null)
    const details = await Promise.all(found.map(topic => detailsOf(admin, topic)))
    if (flags.json) await output.write(`${JSON.stringify(details.map(toJson))}\n`)
    else for (const each of details) await printDetails(output, each)
    throwFirst(topics)
  })
}

export async function deleteTopics(flags: TopicDeleteFlags, ...names: string[]): Promise<void> {
  await withAdmin(flags, async (admin, output) => {
    const results = await admin.deleteTopics(names)
    const deleted = results.filter(({ error }) => error === null).map(({ name }) => name)
    if (flags.json) await output.write(`${JSON.stringify(deleted)}\n`)
    else for (const name of deleted) await output.write(`deleted ${name}\n`)
    throwFirst(results.filter(({ error }) => !(flags.ifExists && error?.code === 'UNKNOWN_TOPIC_OR_PARTITION')))
  })
}

interface TopicDetails {
  readonly topic: TopicDescription
  readonly starts: readonly ListedOffset[]
  readonly ends: readonly ListedOffset[]
  /** Settings that are not the default. */
  readonly changed: readonly ConfigEntry[]
}

async function detailsOf(admin: Admin, topic: TopicDescription): Promise<TopicDetails> {
  const { name, partitions } = topic
  // A partition without a leader has nobody to ask, and the description should not wait for one.
  const led = partitions.filter(({ leader }) => leader !== null).map(({ partition }) => partition)
  const [starts, ends, configs] = await Promise.all([
    admin.listOffsets(led.map(partition => ({ topic: name, partition, at: 'earliest' as const }))),
    admin.listOffsets(led.map(partition => ({ topic: name, partition, at: 'latest' as const }))),
    admin.describeConfigs([{ type: 'topic', name }]),
  ])
  return { topic, starts, ends, changed: (configs[0]?.entries ?? []).filter(({ source }) => source === 'topic') }
}

function offsetOf(offsets: readonly ListedOffset[], partition: number): bigint | null {
  return offsets.find(each => each.partition === partition)?.offset ?? null
}

function toJson({ topic, starts, ends, changed }: TopicDetails): unknown {
  return {
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.isInternal,
    partitions: topic.partitions.map(({ partition, leader, leaderEpoch, replicas, isr, offlineReplicas }) => {
      const start = offsetOf(starts, partition)
      const end = offsetOf(ends, partition)
      return {
        partition,
        leader,
        leaderEpoch,
        replicas,
        isr,
        offlineReplicas,
        startOffset: start === null ? null : Number(start),
        endOffset: end === null ? null : Number(end),
      }
    }),
    configs: Object.fromEntries(changed.map(({ name, value }) => [name, value])),
  }
}

async function printDetails(output: StandardOutput, { topic, starts, ends, changed }: TopicDetails): Promise<void> {
  if (output.isTerminal) {
    const settings = changed.map(({ name, value }) => `${name}=${value}`).join(', ')
    await output.write(
      `${topic.name}  id ${topic.topicId ?? '-'}  ${plural(topic.partitions.length, 'partition')}${settings === '' ? '' : `  ${settings}`}\n`,
    )
  }
  const rows = topic.partitions.map(({ partition, leader, replicas, isr }) => [
    topic.name,
    partition,
    leader ?? 'none',
    replicas.join(','),
    isr.join(','),
    offsetOf(starts, partition) ?? '-',
    offsetOf(ends, partition) ?? '-',
  ])
  await print(output, { columns: ['TOPIC', 'PARTITION', 'LEADER', 'REPLICAS', 'ISR', 'START', 'END'], rows })
}

async function withAdmin(
  flags: ConnectionFlags,
  work: (admin: Admin, output: StandardOutput) => Promise<void>,
): Promise<void> {
  const output = new StandardOutput()
  await tellingFailures(async () => {
    const admin = new Admin(connectionOptions(flags))
    try {
      await work(admin, output)
    } finally {
      await admin.close()
    }
  })
  await output.flush()
}

async function print(output: StandardOutput, table: Table): Promise<void> {
  await output.write(formatTable(table, output))
}

function throwFirst(results: readonly { readonly error: KafkaError | null }[]): void {
  for (const { error } of results) if (error) throw clientFailure(error)
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
