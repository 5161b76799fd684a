// Owns the ways to say where to start reading. Pure data and its checks.
import { KafkaError } from '../network/kafka-errors.ts'

/** Where to start in a partition. `last` counts back from the end; `at` takes the first record at or after a time. */
export type OffsetSpec =
  | 'earliest'
  | 'latest'
  /** What the group committed, and the autoOffsetReset policy where it committed nothing. */
  | 'committed'
  | { readonly offset: bigint }
  | { readonly last: number }
  | { readonly timestamp: bigint }

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface Assignment extends TopicPartition {
  /** The autoOffsetReset policy decides unless given. */
  readonly offset?: OffsetSpec
}

export type ResetPolicy = 'earliest' | 'latest' | 'none'

export function checkOffsetSpec(spec: OffsetSpec): void {
  if (spec === 'earliest' || spec === 'latest' || spec === 'committed') return
  if (typeof spec === 'object') {
    if ('offset' in spec && typeof spec.offset === 'bigint' && spec.offset >= 0n) return
    if ('last' in spec && Number.isSafeInteger(spec.last) && spec.last >= 0) return
    if ('timestamp' in spec && typeof spec.timestamp === 'bigint' && spec.timestamp >= 0n) return
  }
  throw new KafkaError(
    'INVALID_REQUEST',
    `not an offset to start at: ${JSON.stringify(spec, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`,
  )
}
