// Owns the Produce cases: what a broker says to good and bad batches, topics and acks.
import { produce, type ProduceRequestInput } from '#protocol'
import { type AnswerCase, ask, type CaseOptions } from './answer-case.ts'
import { batchOf, changedBatch, corruptBatch, WRITTEN_AT } from './batches.ts'
import type { Peer } from './peer.ts'

interface Sent {
  readonly topic?: string
  readonly index?: number
  readonly acks?: number
  readonly records?: Buffer | null
}

const BY_ID_FROM = 13
const FUTURE = 7_200_000n

function one(what: string, sent: (version: number) => Sent, options: CaseOptions<typeof produce> = {}): AnswerCase {
  const request = (version: number, peer: Peer): ProduceRequestInput => {
    const { topic = 'orders', index = 1, acks = -1, records = batchOf(['value']) } = sent(version)
    const named = peer.named(topic, version >= BY_ID_FROM)
    return { acks, timeoutMs: 1000, topicData: [{ ...named, partitionData: [{ index, records }] }] }
  }
  return ask(produce, what, request, options)
}

const refusedBatch = (what: string, change: (batch: Buffer) => void, options: CaseOptions<typeof produce> = {}) =>
  one(what, () => ({ records: changedBatch(change) }), options)

const idempotent = (producerId: bigint, baseSequence: number, producerEpoch = 0) =>
  batchOf(['sequenced'], { producerId, producerEpoch, baseSequence })

/** A producer id of its own for every version, so that no case sees another's state. */
const producerOf = (version: number): bigint => 9000n + BigInt(version)

export const produceCases: readonly AnswerCase[] = [
  one('a batch', () => ({})),
  one('a batch, acks 1', () => ({ acks: 1 })),
  one('a batch on a log-append-time topic', () => ({ topic: 'stamped', index: 0 })),
  one('a batch whose base offset is not 0', () => ({ records: batchOf(['value'], { baseOffset: 77n }) })),
  one('a batch that names a leader epoch', () => ({ records: batchOf(['value'], { partitionLeaderEpoch: 9 }) })),
  one('acks 2', () => ({ acks: 2 })),
  one('acks -2', () => ({ acks: -2 })),
  one('acks 2 for an unknown topic', () => ({ acks: 2, topic: 'nowhere' })),
  one('acks 0 with an error', () => ({ acks: 0, index: 99 }), { from: 9, to: 9 }),
  one('an unknown topic', () => ({ topic: 'nowhere' })),
  one('an unknown partition', () => ({ index: 99 })),
  one('a negative partition', () => ({ index: -1 })),
  one('a name with a slash', () => ({ topic: 'a/b' }), { to: 12 }),
  one('the name ..', () => ({ topic: '..' }), { to: 12 }),
  one('an empty name', () => ({ topic: '' }), { to: 12 }),
  one('a name of 250 characters', () => ({ topic: 'x'.repeat(250) }), { to: 12 }),
  one('an internal topic', () => ({ topic: '__consumer_offsets', index: 0 }), { from: 9, to: 9 }),
  one('empty records', () => ({ records: Buffer.alloc(0) })),
  one('less than a batch header', () => ({ records: Buffer.alloc(20) })),
  one('half a batch', () => ({ records: batchOf(['value']).subarray(0, 65) })),
  one('a corrupt checksum', () => ({ records: corruptBatch() })),
  refusedBatch('magic 0', batch => batch.writeInt8(0, 16)),
  refusedBatch('magic 1', batch => batch.writeInt8(1, 16)),
  refusedBatch('magic 3', batch => batch.writeInt8(3, 16)),
  refusedBatch('a batch length beyond the records', batch => batch.writeInt32BE(batch.length, 8)),
  refusedBatch('a negative batch length', batch => batch.writeInt32BE(-5, 8)),
  refusedBatch('a batch length below the header', batch => batch.writeInt32BE(20, 8)),
  refusedBatch('a record count of 0', batch => batch.writeInt32BE(0, 57)),
  refusedBatch('a record count of -1', batch => batch.writeInt32BE(-1, 57)),
  refusedBatch('more records counted than there are', batch => batch.writeInt32BE(9, 57)),
  refusedBatch('a last offset delta that does not fit', batch => batch.writeInt32BE(5, 23)),
  refusedBatch('a control batch', batch => batch.writeInt16BE(0x20, 21)),
  one('two batches for one partition', () => ({ records: Buffer.concat([batchOf(['a']), batchOf(['b'])]) })),
  one('a batch over max.message.bytes', () => ({ topic: 'small', index: 0, records: batchOf(['x'.repeat(2000)]) })),
  one('a record without a key on a compacted topic', () => ({
    topic: 'compacted',
    index: 0,
    records: batchOf([], { records: [{ key: null, value: Buffer.from('v'), timestamp: WRITTEN_AT }] }),
  })),
  one('a time from the future', () => ({
    records: batchOf([], {
      records: [{ key: null, value: Buffer.from('v'), timestamp: BigInt(Date.now()) + FUTURE }],
    }),
  })),
  one('a time too long ago', () => ({ topic: 'punctual', index: 0 })),
  one('a batch packed with gzip', () => ({ records: batchOf(['packed'], { compression: 'gzip' }) }), { to: 4 }),
  one('a batch packed with zstd', () => ({ records: batchOf(['packed'], { compression: 'zstd' }) })),
  one('first sequence 0', version => ({ records: idempotent(producerOf(version), 0) })),
  one('the same sequence again', version => ({ records: idempotent(producerOf(version), 0) })),
  one('a sequence gap', version => ({ records: idempotent(producerOf(version), 5) })),
  one('a new epoch that does not begin at 0', version => ({ records: idempotent(producerOf(version), 3, 1) })),
  one('a new epoch', version => ({ records: idempotent(producerOf(version), 0, 1) })),
  one('an epoch gone by', version => ({ records: idempotent(producerOf(version), 1, 0) })),
  one('a first sequence other than 0', version => ({ records: idempotent(producerOf(version) + 500n, 7) })),
  one('a negative sequence', version => ({ records: idempotent(producerOf(version) + 600n, -1) })),
  one('a negative producer epoch', version => ({ records: idempotent(producerOf(version) + 700n, 0, -1) })),
  ask(produce, 'no topics', () => ({ acks: -1, timeoutMs: 1000, topicData: [] })),
  ask(produce, 'a topic without partitions', (version, peer) => ({
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ ...peer.named('orders', version >= BY_ID_FROM), partitionData: [] }],
  })),
  ask(produce, 'good and bad partitions together', (version, peer) => ({
    acks: -1,
    timeoutMs: 1000,
    topicData: [
      {
        ...peer.named('orders', version >= BY_ID_FROM),
        partitionData: [
          { index: 1, records: batchOf(['fine']) },
          { index: 0, records: corruptBatch() },
          { index: 99, records: batchOf(['lost']) },
        ],
      },
      { ...peer.named('nowhere', version >= BY_ID_FROM), partitionData: [{ index: 0, records: batchOf(['lost']) }] },
    ],
  })),
]
