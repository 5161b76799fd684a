// Hostile and broken input: each gets Kafka's error code or a closed connection, and costs nobody else anything.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { nativeBatchCodec } from '#native'
import { ErrorCode, encodeBatch, encodeRequestFrame, fetch, metadata, produce } from '#protocol'
import { startBroker, type TestBroker } from '#test-kit'
import { batchOf, produceTo } from './records.ts'
import { WireClient } from './wire-client.ts'

let kafka: TestBroker
let bystander: WireClient

beforeAll(async () => {
  kafka = await startBroker({
    topics: { orders: { partitions: 2 }, small: { configs: { 'max.message.bytes': '1000' } } },
    settings: { 'socket.request.max.bytes': '1000000' },
  })
  bystander = await WireClient.open(kafka.port)
})
afterEach(async () => {
  // Whatever a test did, a connection that was open before goes on working.
  expect(await produceTo(bystander, 'orders', ['fine'])).toMatchObject({ errorCode: 0 })
})
afterAll(async () => {
  bystander.close()
  await kafka.stop()
})

async function closedAfter(bytes: Buffer): Promise<boolean> {
  const client = await WireClient.open(kafka.port)
  client.sendBytes(bytes)
  const frame = await client.nextFrame()
  client.close()
  return frame === null
}

function sized(frame: Buffer, size = frame.length): Buffer {
  const head = Buffer.alloc(4)
  head.writeInt32BE(size)
  return Buffer.concat([head, frame])
}

const header = { correlationId: 1, clientId: 'wire' }

test.each([
  ['a negative frame size', Buffer.from('ffffffff', 'hex')],
  ['a frame over the limit', sized(Buffer.alloc(0), 1_000_001)],
  ['a frame shorter than a header', sized(Buffer.from('0012', 'hex'))],
  ['an unknown api key', sized(Buffer.from('7fff000000000001ffff', 'hex'))],
  ['a key that was removed from Kafka', sized(Buffer.from('0004000000000001ffff', 'hex'))],
  ['Produce below its minimum', sized(Buffer.from('0000000200000001ffff', 'hex'))],
  ['a version from the future', sized(Buffer.from('0003006300000001ffff', 'hex'))],
  ['a count beyond the frame', sized(Buffer.from('0003000100000001ffff7fffffff', 'hex'))],
  ['a string length beyond the frame', sized(Buffer.from('0003000100000001ffff000000017fff', 'hex'))],
  ['a client id beyond the frame', sized(Buffer.from('0003000100000001' + '7fff', 'hex'))],
])('%s closes the connection', async (_what, bytes) => {
  expect(await closedAfter(bytes)).toBe(true)
})

test('what was refused is counted', async () => {
  const before = kafka.broker.metrics()
  await closedAfter(sized(Buffer.from('0003000100000001ffff7fffffff', 'hex')))
  expect(kafka.broker.metrics().undecodableRequests).toBe((before.undecodableRequests ?? 0) + 1)
})

test('a frame that trickles in byte by byte is served', async () => {
  const client = await WireClient.open(kafka.port)
  for (const byte of sized(encodeRequestFrame(metadata, 9, header, { topics: [] }))) {
    client.sendBytes(Buffer.from([byte]))
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  expect(await client.nextFrame()).not.toBeNull()
  client.close()
})

test('a client that leaves in the middle of a frame is forgotten', async () => {
  const client = await WireClient.open(kafka.port)
  client.sendBytes(sized(encodeRequestFrame(metadata, 9, header, { topics: [] })).subarray(0, 9))
  client.close()
})

test('a client that leaves before its answer harms nobody', async () => {
  const client = await WireClient.open(kafka.port)
  client.sendFrame(encodeRequestFrame(metadata, 9, header, { topics: [{ name: 'made-for-nobody' }] }))
  client.close()
})

async function produceRaw(name: string, records: Buffer | null, options: { acks?: number; index?: number } = {}) {
  const client = await WireClient.open(kafka.port)
  const response = await client.send(produce, 9, {
    acks: options.acks ?? -1,
    timeoutMs: 1000,
    topicData: [{ name, partitionData: [{ index: options.index ?? 0, records }] }],
  })
  client.close()
  return response.responses[0]?.partitionResponses[0]?.errorCode
}

function damaged(change: (batch: Buffer) => void): Buffer {
  const batch = Buffer.from(batchOf(['value']))
  change(batch)
  return batch
}

test('a batch whose CRC does not match is CORRUPT_MESSAGE', async () => {
  const batch = damaged(bytes => bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1))
  expect(await produceRaw('orders', batch)).toBe(ErrorCode.CORRUPT_MESSAGE)
})

test('an old magic is refused', async () => {
  const code = await produceRaw(
    'orders',
    damaged(bytes => bytes.writeInt8(1, 16)),
  )
  expect([ErrorCode.INVALID_RECORD, ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, ErrorCode.CORRUPT_MESSAGE]).toContain(
    code,
  )
})

test('two batches for one partition are INVALID_RECORD', async () => {
  expect(await produceRaw('orders', Buffer.concat([batchOf(['a']), batchOf(['b'])]))).toBe(ErrorCode.INVALID_RECORD)
})

test('a batch over max.message.bytes is MESSAGE_TOO_LARGE', async () => {
  expect(await produceRaw('small', batchOf(['x'.repeat(2000)]))).toBe(ErrorCode.MESSAGE_TOO_LARGE)
})

test('an unknown topic or partition is UNKNOWN_TOPIC_OR_PARTITION', async () => {
  expect(await produceRaw('nowhere', batchOf(['a']))).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  expect(await produceRaw('orders', batchOf(['a']), { index: 9 })).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
})

test('acks outside -1, 0 and 1 are INVALID_REQUIRED_ACKS', async () => {
  expect(await produceRaw('orders', batchOf(['a']), { acks: 2 })).toBe(ErrorCode.INVALID_REQUIRED_ACKS)
})

test('a sequence gap of an idempotent producer is OUT_OF_ORDER_SEQUENCE_NUMBER, a repeat its first offset', async () => {
  const batch = (baseSequence: number) =>
    encodeBatch(
      {
        records: [{ value: Buffer.from('x'), timestamp: BigInt(Date.now()) }],
        producerId: 4242n,
        producerEpoch: 0,
        baseSequence,
      },
      nativeBatchCodec,
    )
  expect(await produceRaw('orders', batch(0), { index: 1 })).toBe(ErrorCode.NONE)
  expect(await produceRaw('orders', batch(0), { index: 1 })).toBe(ErrorCode.NONE)
  expect(await produceRaw('orders', batch(5), { index: 1 })).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
})

test('Fetch 13 of an unknown topic id is UNKNOWN_TOPIC_ID on the partition', async () => {
  const client = await WireClient.open(kafka.port)
  const response = await client.send(fetch, 13, {
    maxWaitMs: 10,
    minBytes: 1,
    topics: [
      { topicId: 'abcdefghijklmnopqrstuw', partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 100 }] },
    ],
  })
  expect(response.errorCode).toBe(0)
  expect(response.responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID)
  client.close()
})

test.each(['..', 'a/b', 'x'.repeat(250), ''])(
  'Metadata of the topic name %j is INVALID_TOPIC_EXCEPTION',
  async name => {
    const client = await WireClient.open(kafka.port)
    const response = await client.send(metadata, 9, { topics: [{ name }] })
    expect(response.topics[0]?.errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION)
    client.close()
  },
)

test('Metadata 10 by topic id is INVALID_REQUEST', async () => {
  const client = await WireClient.open(kafka.port)
  const response = await client.send(metadata, 10, { topics: [{ topicId: 'abcdefghijklmnopqrstuw', name: 'x' }] })
  expect(response.topics[0]?.errorCode).toBe(ErrorCode.INVALID_REQUEST)
  client.close()
})
