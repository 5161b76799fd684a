// Owns the cases about offsets: ListOffsets, OffsetForLeaderEpoch, DeleteRecords, and InitProducerId beside them.
import { deleteRecords, initProducerId, listOffsets, offsetForLeaderEpoch } from '#protocol'
import { type AnswerCase, ask, type CaseOptions } from './answer-case.ts'
import { WRITTEN_AT } from './batches.ts'

interface Listed {
  readonly timestamp: bigint
  readonly topic?: string
  readonly partition?: number
  readonly epoch?: number
}

function list(
  what: string,
  asked: readonly Listed[],
  options: CaseOptions<typeof listOffsets> = {},
  isolationLevel = 0,
) {
  return ask(
    listOffsets,
    what,
    version => ({
      replicaId: -1,
      ...(version >= 2 ? { isolationLevel } : {}),
      topics: asked.map(({ topic = 'orders', partition = 0, epoch = -1, timestamp }) => ({
        name: topic,
        partitions: [{ partitionIndex: partition, currentLeaderEpoch: epoch, timestamp }],
      })),
    }),
    options,
  )
}

const offsetOf = [
  list('latest', [{ timestamp: -1n }]),
  list('latest, read committed', [{ timestamp: -1n }], { from: 2 }, 1),
  list('an isolation level that does not exist', [{ timestamp: -1n }], { from: 2 }, 9),
  list('earliest', [{ timestamp: -2n }]),
  list('earliest of a trimmed log', [{ timestamp: -2n, topic: 'trimmed' }]),
  list('the newest time', [{ timestamp: -3n }]),
  list('the newest time of an empty log', [{ timestamp: -3n, topic: 'empty' }]),
  list('earliest local', [{ timestamp: -4n }]),
  list('latest tiered', [{ timestamp: -5n }]),
  list('earliest pending upload', [{ timestamp: -6n }]),
  list('a special time that does not exist', [{ timestamp: -7n }]),
  list('time 0', [{ timestamp: 0n }]),
  list('the time of a record', [{ timestamp: WRITTEN_AT + 1n }]),
  list('a time after all', [{ timestamp: WRITTEN_AT + 1000n }]),
  list('a time in an empty log', [{ timestamp: WRITTEN_AT, topic: 'empty' }]),
  list('latest of an empty log', [{ timestamp: -1n, topic: 'empty' }]),
  list('an unknown topic', [{ timestamp: -1n, topic: 'nowhere' }]),
  list('an unknown partition', [{ timestamp: -1n, partition: 99 }]),
  list('a negative partition', [{ timestamp: -1n, partition: -1 }]),
  list('an empty name', [{ timestamp: -1n, topic: '' }]),
  list('a name with a slash', [{ timestamp: -1n, topic: 'a/b' }]),
  list('the leader epoch', [{ timestamp: -1n, epoch: 0 }], { from: 4 }),
  list('a leader epoch from the future', [{ timestamp: -1n, epoch: 9 }], { from: 4 }),
  list('no topics', []),
  list('good and bad together', [{ timestamp: -1n }, { timestamp: -1n, topic: 'nowhere' }]),
  ask(listOffsets, 'one partition twice', () => ({
    replicaId: -1,
    topics: [
      {
        name: 'orders',
        partitions: [
          { partitionIndex: 0, timestamp: -1n },
          { partitionIndex: 0, timestamp: -2n },
        ],
      },
    ],
  })),
]

const epochEnd = (what: string, partition: { topic?: string; partition?: number; epoch?: number; asked: number }) =>
  ask(offsetForLeaderEpoch, what, () => ({
    topics: [
      {
        topic: partition.topic ?? 'orders',
        partitions: [
          {
            partition: partition.partition ?? 0,
            currentLeaderEpoch: partition.epoch ?? -1,
            leaderEpoch: partition.asked,
          },
        ],
      },
    ],
  }))

const epochs = [
  epochEnd('the leader epoch', { asked: 0 }),
  epochEnd('an epoch from the future', { asked: 9 }),
  epochEnd('an undefined epoch', { asked: -1 }),
  epochEnd('an epoch below all', { asked: -5 }),
  epochEnd('an empty log', { topic: 'empty', asked: 0 }),
  epochEnd('the current epoch named', { epoch: 0, asked: 0 }),
  epochEnd('a current epoch from the future', { epoch: 9, asked: 0 }),
  epochEnd('an unknown topic', { topic: 'nowhere', asked: 0 }),
  epochEnd('an unknown partition', { partition: 99, asked: 0 }),
  epochEnd('an empty name', { topic: '', asked: 0 }),
  ask(offsetForLeaderEpoch, 'no topics', () => ({ topics: [] })),
]

const trim = (what: string, offset: bigint, topic = 'trimmed', partitionIndex = 0) =>
  ask(deleteRecords, what, () => ({
    topics: [{ name: topic, partitions: [{ partitionIndex, offset }] }],
    timeoutMs: 5000,
  }))

const trims = [
  trim('nothing yet', 0n),
  trim('up to an offset', 4n),
  trim('below the log start', 2n),
  trim('beyond the high watermark', 16n),
  trim('a negative offset', -2n),
  trim('an unknown topic', 0n, 'nowhere'),
  trim('an unknown partition', 0n, 'trimmed', 99),
  trim('an empty name', 0n, ''),
  trim('a compacted topic', 0n, 'compacted'),
  trim('an empty log', -1n, 'empty'),
  ask(deleteRecords, 'no topics', () => ({ topics: [], timeoutMs: 5000 })),
  ask(deleteRecords, 'one partition twice', () => ({
    topics: [
      {
        name: 'trimmed',
        partitions: [
          { partitionIndex: 0, offset: 5n },
          { partitionIndex: 0, offset: 99n },
        ],
      },
    ],
    timeoutMs: 5000,
  })),
  trim('all there is', -1n),
]

const producers = [
  ask(initProducerId, 'an idempotent producer', () => ({ transactionalId: null, transactionTimeoutMs: 1000 })),
  ask(initProducerId, 'an idempotent producer, timeout 0', () => ({ transactionalId: null, transactionTimeoutMs: 0 })),
  ask(initProducerId, 'an empty transactional id', () => ({ transactionalId: '', transactionTimeoutMs: 1000 })),
  ask(
    initProducerId,
    'a producer id without a transactional id',
    () => ({ transactionalId: null, transactionTimeoutMs: 1000, producerId: 5n, producerEpoch: 3 }),
    { from: 3 },
  ),
  ask(
    initProducerId,
    'a producer id without an epoch',
    () => ({ transactionalId: null, transactionTimeoutMs: 1000, producerId: 5n }),
    { from: 3 },
  ),
]

export const offsetCases: readonly AnswerCase[] = [...offsetOf, ...epochs, ...trims, ...producers]
