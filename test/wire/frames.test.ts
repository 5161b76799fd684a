// Frames that are no frames, keys and versions nobody serves, and good frames that come in pieces.
import { connect } from 'node:net'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import {
  apis,
  apiVersions,
  decodeResponseFrame,
  ErrorCode,
  encodeRequestFrame,
  fetch,
  listOffsets,
  metadata,
  produce,
} from '#protocol'
import { WireClient } from '../scenarios/wire-client.ts'
import { batchOf } from './answers/batches.ts'
import { AttackedBroker, inParallel, reactionTo, sized } from './attacked-broker.ts'

const REQUEST_BYTES_MAX = 1_000_000
const PRODUCE_MIN = 3
const KEYS_TO = 120

let broker: AttackedBroker

beforeAll(async () => {
  broker = await AttackedBroker.start({
    topics: { orders: { partitions: 2 } },
    settings: { 'socket.request.max.bytes': String(REQUEST_BYTES_MAX) },
  })
})
afterEach(() => broker.check())
afterAll(async () => {
  await broker.checkForgotten()
  await broker.stop()
})

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const header = { correlationId: 1, clientId: 'wire' }
const goodProduce = (acks = -1): Buffer =>
  encodeRequestFrame(produce, 9, header, {
    acks,
    timeoutMs: 1000,
    topicData: [{ name: 'orders', partitionData: [{ index: 1, records: batchOf(['value']) }] }],
  })
const goodMetadata = (): Buffer => encodeRequestFrame(metadata, 9, header, { topics: [{ name: 'orders' }] })

test.each([
  ['a size of -1', hex('ffffffff'), 'BadFrameNegativeLength'],
  ['the smallest size', hex('80000000'), 'BadFrameNegativeLength'],
  ['a size one over the limit', sized(Buffer.alloc(0), REQUEST_BYTES_MAX + 1), 'BadFrameTooLarge'],
  ['the largest size', hex('7fffffff'), 'BadFrameTooLarge'],
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'BadFrameTooLarge'],
  ['a TLS hello', hex('160301020001'), 'BadFrameTooLarge'],
  ['a size of 0', hex('00000000'), 'BadFrameTooShort'],
  ['a size of 1', hex('0000000100'), 'BadFrameTooShort'],
  ['a header without a correlation id', sized(hex('0003000100')), 'BadFrameTooShort'],
])('%s closes the connection and is counted', async (_what, bytes, counter) => {
  const counted = await broker.counted([counter], async () => {
    expect(await reactionTo(broker.port, bytes)).toBe('closed')
  })
  expect(counted).toBe(1)
})

test.each([
  ['in Produce', sized(hex('00000009000000017fff'))],
  ['in Fetch', sized(hex('0001000c000000017fff'))],
  ['in Metadata', sized(hex('00030009000000017fff'))],
  ['in JoinGroup', sized(hex('000b0009000000017fff'))],
])('a client id beyond the frame %s closes the connection and is counted', async (_what, bytes) => {
  const counted = await broker.counted(['BadFrameBody', 'BadFrameTooShort', 'undecodableRequests'], async () => {
    expect(await reactionTo(broker.port, bytes)).toBe('closed')
  })
  expect(counted).toBe(1)
})

test('a key that is not served closes the connection and is counted', async () => {
  const served = new Set(broker.kafka.broker.services.apiVersions.map(({ apiKey }) => apiKey))
  const keys = [
    -32_768,
    -1,
    32_767,
    ...Array.from({ length: KEYS_TO }, (_, key) => key).filter(key => !served.has(key)),
  ]
  const counted = await broker.counted(['BadFrameUnknownApiKey'], () =>
    inParallel(keys, 8, async key => {
      const frame = hex('0000000000000001ffff')
      frame.writeInt16BE(key)
      expect(await reactionTo(broker.port, sized(frame)), `key ${key}`).toBe('closed')
    }),
  )
  expect(counted).toBe(keys.length)
})

test('a version that is not served closes the connection and is counted', async () => {
  const requests = broker.kafka.broker.services.apiVersions
    .filter(({ apiKey }) => apiKey !== apiVersions.key)
    .flatMap(({ apiKey, min, max }) => {
      const from = apiKey === produce.key ? PRODUCE_MIN : min
      const below = Array.from({ length: from }, (_, version) => version)
      return [-1, -32_768, ...below, max + 1, 32_767].map(version => ({ apiKey, version }))
    })
  const counted = await broker.counted(['BadFrameUnsupportedVersion'], () =>
    inParallel(requests, 8, async ({ apiKey, version }) => {
      const frame = hex('0000000000000001ffff0000000000000000')
      frame.writeInt16BE(apiKey, 0)
      frame.writeInt16BE(version, 2)
      expect(await reactionTo(broker.port, sized(frame)), `key ${apiKey} v${version}`).toBe('closed')
    }),
  )
  expect(counted).toBe(requests.length)
  expect(requests.length).toBeGreaterThan(100)
})

test.each([-1, 5, 99, 32_767])('ApiVersions %i is answered in version 0 with the range that works', async version => {
  const frame = hex('0012000000000007ffffdeadbeef')
  frame.writeInt16BE(version, 2)
  const reaction = await reactionTo(broker.port, sized(frame))
  expect(reaction).toBeInstanceOf(Buffer)
  const { correlationId, response } = decodeResponseFrame(apiVersions, 0, reaction as Buffer)
  expect(correlationId).toBe(7)
  expect(response).toMatchObject({
    errorCode: ErrorCode.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: apiVersions.versions[1] }],
  })
})

test('a client that ends in the middle of a frame, at any byte, is closed without an answer and counted', async () => {
  for (const whole of [sized(goodProduce()), sized(goodMetadata())]) {
    const cuts = Array.from({ length: whole.length - 1 }, (_, index) => index + 1)
    const counted = await broker.counted(['BadFrameTruncated'], () =>
      inParallel(cuts, 8, async cut => {
        const socket = connect(broker.port, '127.0.0.1')
        await once(socket, 'connect')
        let received = 0
        socket.on('data', chunk => (received += chunk.length))
        socket.end(whole.subarray(0, cut))
        await once(socket, 'close')
        expect(received).toBe(0)
      }),
    )
    expect(counted).toBe(cuts.length)
  }
})

test('requests that trickle in byte by byte are all answered, in order', async () => {
  const client = await WireClient.open(broker.port)
  const frames = [goodProduce(), goodMetadata(), encodeRequestFrame(listOffsets, 7, header, { replicaId: -1 })]
  for (const byte of Buffer.concat(frames.map(frame => sized(frame)))) {
    client.sendBytes(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  const [first, second, third] = [await client.nextFrame(), await client.nextFrame(), await client.nextFrame()]
  expect(decodeResponseFrame(produce, 9, first as Buffer).response.responses).toHaveLength(1)
  expect(decodeResponseFrame(metadata, 9, second as Buffer).response.topics).toHaveLength(1)
  expect(decodeResponseFrame(listOffsets, 7, third as Buffer).response.topics).toHaveLength(0)
  client.close()
})

test('a frame in two pieces, cut anywhere, is answered', async () => {
  const whole = sized(goodProduce())
  const client = await WireClient.open(broker.port)
  for (let cut = 1; cut < whole.length; cut += 1) {
    client.sendBytes(whole.subarray(0, cut))
    await new Promise(resolve => setImmediate(resolve))
    client.sendBytes(whole.subarray(cut))
    expect(await client.nextFrame()).not.toBeNull()
  }
  client.close()
})

test.each([
  ['Produce', goodProduce()],
  ['an upcalled request', goodMetadata()],
  ['a fetch', encodeRequestFrame(fetch, 12, header, { maxWaitMs: 50, minBytes: 1 })],
])('garbage behind %s costs the garbage, not the answer before it', async (_what, good) => {
  for (const bad of [hex('ffffffff'), sized(hex('7fff000000000001ffff'))]) {
    const client = await WireClient.open(broker.port)
    client.sendBytes(Buffer.concat([sized(good), bad]))
    expect(await client.nextFrame()).not.toBeNull()
    expect(await client.nextFrame()).toBeNull()
    client.close()
  }
})

test('a frame of exactly the largest size is served', async () => {
  const frame = Buffer.concat([goodMetadata(), Buffer.alloc(REQUEST_BYTES_MAX)]).subarray(0, REQUEST_BYTES_MAX)
  // Whether what follows the body is tolerated is another matter: the connection lives or is closed for the body.
  const counted = await broker.counted(['BadFrameTooLarge'], async () => {
    await reactionTo(broker.port, sized(frame))
  })
  expect(counted).toBe(0)
})

test('sizes announced and not sent cost no memory', async () => {
  const clients = await Promise.all(Array.from({ length: 200 }, () => WireClient.open(broker.port)))
  for (const client of clients) client.sendBytes(sized(hex('00000009'), REQUEST_BYTES_MAX))
  await broker.check()
  const before = process.memoryUsage.rss()
  await broker.check()
  expect(process.memoryUsage.rss() - before).toBeLessThan(50 << 20)
  expect(broker.grownBytes).toBeLessThan(200 << 20)
  for (const client of clients) client.close()
})

test('every API the protocol describes for brokers is known to these tests', () => {
  const served = broker.kafka.broker.services.apiVersions.map(({ apiKey }) => apiKey)
  expect(served.every(key => apis.has(key))).toBe(true)
})
