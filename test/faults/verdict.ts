// Owns the verdict on a topic after faults: what a foreign reader finds, held against what was acknowledged. Never decides what may be lost.
import { kcat } from '../clients/toolbox/kcat.mjs'
import type { Acknowledged, ForeignProducer, Target } from './producers.ts'

/** Offset to value, by partition. */
export type TopicContents = ReadonlyMap<number, ReadonlyMap<number, string>>

export interface Verdict {
  acknowledged: number
  /** Acknowledged, and not there, or something else in its place. */
  lost: number
  /** Records of one producer and partition that stand before an earlier one. */
  disordered: number
  /** Records of a producer that stand in the log twice. */
  duplicated: number
}

export const spotless = (verdict: Verdict) => ({ ...verdict, lost: 0, disordered: 0, duplicated: 0 })

/** All of a topic as librdkafka reads it; throws when it delivers an offset twice. */
export async function readTopic({ bootstrap, topic }: Target, timeoutMs = 60_000): Promise<TopicContents> {
  const where = ['-b', bootstrap, '-q', '-C', '-t', topic, '-o', 'beginning', '-e']
  const { stdout } = await kcat([...where, '-f', '%p %o %s\n'], { timeoutMs })
  const contents = new Map<number, Map<number, string>>()
  for (const line of stdout.split('\n')) {
    if (line === '') continue
    const [partition, offset, value = ''] = line.split(' ')
    const log = contents.get(Number(partition)) ?? new Map<number, string>()
    if (log.has(Number(offset))) throw new Error(`${topic}-${partition} gave offset ${offset} twice`)
    log.set(Number(offset), value)
    contents.set(Number(partition), log)
  }
  return contents
}

/** Number at the end of a value: `franz-12` and Java's `7.12` both count up. */
const sequence = (value: string) => Number(value.split(/[-.]/).at(-1))
const sender = (value: string) => value.split(/[-.]/)[0] ?? ''

export const isThere = (contents: TopicContents, { partition, offset, value }: Acknowledged) =>
  contents.get(partition)?.get(offset) === value

export function judge(contents: TopicContents, producers: readonly ForeignProducer[]): Verdict {
  const verdict: Verdict = { acknowledged: 0, lost: 0, disordered: 0, duplicated: 0 }
  for (const producer of producers) {
    for (const record of producer.acknowledged) {
      verdict.acknowledged += 1
      if (!isThere(contents, record)) verdict.lost += 1
    }
  }
  const seen = new Set<string>()
  for (const log of contents.values()) {
    const last = new Map<string, number>()
    for (const [, value] of [...log].sort(([a], [b]) => a - b)) {
      if (seen.has(value)) verdict.duplicated += 1
      else if (sequence(value) < (last.get(sender(value)) ?? -1)) verdict.disordered += 1
      seen.add(value)
      last.set(sender(value), sequence(value))
    }
  }
  return verdict
}

/** Of a compacted topic: the newest value of each key that was acknowledged must be there, or a newer one of that key. */
export function judgeCompacted(contents: TopicContents, producer: ForeignProducer): number {
  let lost = 0
  const newest = new Map<string, Acknowledged>()
  for (const record of producer.acknowledged) {
    const id = `${record.partition} ${record.key}`
    if ((newest.get(id)?.offset ?? -1) < record.offset) newest.set(id, record)
    // Cleaned away is fine; something else in its place is not.
    const found = contents.get(record.partition)?.get(record.offset)
    if (found !== undefined && found !== record.value) lost += 1
  }
  const keys = new Set([...newest.values()].map(record => record.key)).size
  const keyOf = (value: string) => `key-${sequence(value) % keys}`
  for (const record of newest.values()) {
    const log = contents.get(record.partition) ?? new Map<number, string>()
    const isKept = [...log].some(([offset, value]) => offset >= record.offset && keyOf(value) === record.key)
    if (!isKept) lost += 1
  }
  return lost
}

export function add(total: Verdict, more: Verdict) {
  total.acknowledged += more.acknowledged
  total.lost += more.lost
  total.disordered += more.disordered
  total.duplicated += more.duplicated
}
