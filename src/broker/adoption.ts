// Owns taking over logs that `openLog` made in a log directory: their topics are created around them, with the logs as they are.
// Never touches a log of a topic that the controller knows, and never guesses: what does not fit is named and left alone.
// Invariant: a log loses its mark (embedded.checkpoint) only after the controller has committed its topic, so a crash begins this again.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '#host'
import type { MetadataImage } from '#metadata'
import { type AdoptedLog, adoption } from '#native'
import { createTopics, ErrorCode } from '#protocol'
import type { ControllerChannel } from './controller-channel.ts'

/** native/crates/embedded/src/checkpoint.rs writes it. */
const MARK = 'embedded.checkpoint'
/** Names with this prefix belong to the brokers. */
const INTERNAL_PREFIX = '__'

interface Found {
  readonly dir: string
  readonly partition: number
}

export interface AdoptionOptions {
  readonly logDirs: readonly string[]
  readonly nodeId: number
  readonly logger: Logger
  readonly channel: ControllerChannel
  readonly image: () => MetadataImage
  /** Resolves when this node has seen the metadata log up to the offset, and serves what it says. */
  readonly reached: (metadataOffset: bigint) => Promise<void>
  readonly deleteRecords: (topicId: string, partition: number, offset: bigint) => void
}

/** Adopts what lies in the log directories. Throws only when the controller cannot be asked. */
export async function adoptLogs(options: AdoptionOptions): Promise<void> {
  for (const [topic, partitions] of findLogs(options.logDirs)) {
    const { logger } = options
    try {
      await adoptTopic(topic, partitions, options)
    } catch (error) {
      logger.warn('an embedded log is not adopted, and left as it is', { topic, error })
    }
  }
}

async function adoptTopic(topic: string, found: readonly Found[], options: AdoptionOptions): Promise<void> {
  const { nodeId, channel, logger, image, reached, deleteRecords } = options
  const known = image().topics.byName(topic)
  if (known !== undefined) {
    // Created around these logs, by a start that did not come to its end.
    const own = found.filter(({ partition }) => partition < known.partitions.length)
    for (const { dir } of own) adoption.finish(dir)
    if (own.length < found.length)
      throw new Error(`topic '${topic}' exists and has ${known.partitions.length} partitions`)
    return
  }
  if (topic.startsWith(INTERNAL_PREFIX))
    throw new Error(`topics whose name begins with ${INTERNAL_PREFIX} are the broker's own`)
  const gap = found.findIndex(({ partition }, index) => partition !== index)
  if (gap !== -1) throw new Error(`partition ${gap} is missing or there twice: partitions count from 0 without a gap`)
  const logs = found.map(({ dir }): AdoptedLog => {
    const log = adoption.prepare(dir)
    if (log === null) throw new Error(`${dir} has lost its mark`)
    return log
  })
  const assignments = found.map(({ partition }) => ({ partitionIndex: partition, brokerIds: [nodeId] }))
  const { response, metadataOffset } = await channel.send(createTopics, 7, {
    topics: [{ name: topic, numPartitions: -1, replicationFactor: -1, assignments, configs: [] }],
    timeoutMs: 60_000,
    validateOnly: false,
  })
  const [created] = response.topics
  if (created === undefined || created.errorCode !== ErrorCode.NONE) {
    throw new Error(created?.errorMessage ?? 'the controller did not create the topic')
  }
  await reached(metadataOffset)
  for (const [partition, { logStartOffset }] of logs.entries()) {
    if (logStartOffset > 0n) deleteRecords(created.topicId, partition, logStartOffset)
  }
  for (const { dir } of found) adoption.finish(dir)
  const records = logs.reduce((sum, log) => sum + log.logEndOffset - log.logStartOffset, 0n)
  logger.info('embedded log adopted', { topic, partitions: found.length, records: Number(records) })
}

/** Marked directories by topic, ascending by partition. */
function findLogs(logDirs: readonly string[]): ReadonlyMap<string, readonly Found[]> {
  const logs = new Map<string, Found[]>()
  for (const logDir of logDirs) {
    for (const name of readdirSync(logDir)) {
      const [, topic, number] = /^(.+)-(\d{1,10})$/.exec(name) ?? []
      const dir = join(logDir, name)
      if (topic === undefined || number === undefined || !existsSync(join(dir, MARK))) continue
      const found = logs.get(topic) ?? []
      found.push({ dir, partition: Number(number) })
      logs.set(topic, found)
    }
  }
  for (const found of logs.values()) found.sort((a, b) => a.partition - b.partition)
  return logs
}
