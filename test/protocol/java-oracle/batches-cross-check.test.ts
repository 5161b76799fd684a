// Cross-check of record batches: what we write Kafka reads and writes again to the same bytes.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  decodeBatches,
  encodeBatch,
  encodeControlRecord,
  type BatchInput,
  type RecordInput,
  type RecordView,
} from '#protocol'
import { randomString } from '../random-message.ts'
import { SeededRandom } from '../seeded-random.ts'
import { testBatchCodec } from '../test-batch-codec.ts'
import { Oracle } from './oracle.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? 432)
const BATCHES = 400

let oracle: Oracle

beforeAll(async () => {
  oracle = await Oracle.start()
}, 600_000)

afterAll(async () => {
  await oracle?.stop()
})

const hex = (bytes: Buffer | null) => (bytes === null ? 'null' : `x${bytes.toString('hex')}`)

function line(record: RecordView): string {
  const headers = record.headers.map(header => ` ${hex(Buffer.from(header.key))}=${hex(header.value)}`)
  return `${record.offset} ${record.timestamp} ${hex(record.key)} ${hex(record.value)}${headers.join('')}\n`
}

const textOf = (buffer: Buffer) =>
  [...decodeBatches(buffer, testBatchCodec, { incompleteTail: 'refuse' })]
    .flatMap(batch => [...batch.records()].map(line))
    .join('')

function randomRecord(random: SeededRandom): RecordInput {
  const bytes = () => (random.chance(5) ? null : random.bytes(random.chance(8) ? 9000 : random.below(70)))
  const spread = random.pick([1n, 1000n, 4_000_000_000n, 0x0fff_ffff_ffffn])
  return {
    key: bytes(),
    value: bytes(),
    timestamp: 1_700_000_000_000n + (BigInt(random.uint32()) % spread),
    headers: Array.from({ length: random.chance(3) ? random.below(4) : 0 }, () => ({
      key: randomString(random),
      value: bytes(),
    })),
  }
}

function randomBatch(random: SeededRandom, gzip: boolean): BatchInput {
  const idempotent = random.chance(2)
  const isLogAppendTime = random.chance(3)
  return {
    records: Array.from({ length: 1 + random.below(random.chance(10) ? 300 : 6) }, () => {
      const record = randomRecord(random)
      // Readers see the append time on every record, so only equal timestamps can be rebuilt to the same bytes.
      return isLogAppendTime ? { ...record, timestamp: 1_700_000_000_000n } : record
    }),
    baseOffset: BigInt(random.uint32()) * BigInt(random.below(1000)),
    partitionLeaderEpoch: random.below(100) - 1,
    compression: gzip ? 'gzip' : 'none',
    timestampType: isLogAppendTime ? 'LogAppendTime' : 'CreateTime',
    ...(idempotent
      ? {
          producerId: BigInt(random.uint32()),
          producerEpoch: random.below(0x8000),
          baseSequence: random.below(0x7fffffff),
        }
      : {}),
    isTransactional: idempotent && random.chance(2),
  }
}

describe('record batches cross-checked with Apache Kafka', () => {
  it('uncompressed batches are rebuilt to the same bytes', async () => {
    const random = new SeededRandom(SEED)
    for (let index = 0; index < BATCHES; index += 1) {
      const buffer = encodeBatch(randomBatch(random, false), testBatchCodec)
      const answer = await oracle.ask({ mode: 'b', bytes: buffer })
      expect(answer.good ? answer.text : `seed ${SEED} batch ${index}: ${answer.text}`).toBe(textOf(buffer))
      expect(answer.reencoded.equals(buffer), `seed ${SEED} batch ${index} rebuilt`).toBe(true)
    }
    process.stdout.write(`batch cross-check: ${BATCHES} random batches, 0 differences (seed ${SEED})\n`)
  })

  it('gzip batches are read as the same records', async () => {
    const random = new SeededRandom(SEED + 1)
    for (let index = 0; index < 40; index += 1) {
      const buffer = encodeBatch(randomBatch(random, true), testBatchCodec)
      expect(await oracle.text({ mode: 'b', bytes: buffer })).toBe(textOf(buffer))
    }
  })

  it('control batches are rebuilt to the same bytes', async () => {
    const records = [{ ...encodeControlRecord({ type: 'Commit', coordinatorEpoch: 7 }), timestamp: 5n }]
    const buffer = encodeBatch(
      { records, isControl: true, isTransactional: true, producerId: 9n, producerEpoch: 1, baseOffset: 40n },
      testBatchCodec,
    )
    const answer = await oracle.ask({ mode: 'b', bytes: buffer })
    expect(answer.text).toBe(textOf(buffer))
    expect(answer.reencoded.toString('hex')).toBe(buffer.toString('hex'))
  })
})
