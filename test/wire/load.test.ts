// Too much of what is allowed: readers that do not read, requests without waiting for answers, connections without end.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { apiVersions, decodeResponseFrame, encodeRequestFrame, ErrorCode, fetch, metadata, produce } from '#protocol'
import { WireClient } from '../scenarios/wire-client.ts'
import { batchOf } from './answers/batches.ts'
import { AttackedBroker, inParallel, sized } from './attacked-broker.ts'

const FILLED_BYTES = 8 << 20
const BATCH_BYTES = 1 << 19
const GROWN_BYTES_MAX = 96 << 20

let broker: AttackedBroker

beforeAll(async () => {
  const topics = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`topic-${index}`, { partitions: 5 }]))
  broker = await AttackedBroker.start({
    topics: { ...topics, ordered: { partitions: 2 }, filled: { configs: { 'retention.ms': '-1' } } },
  })
  const client = await WireClient.open(broker.port)
  for (let bytes = 0; bytes < FILLED_BYTES; bytes += BATCH_BYTES) {
    // The key of a fixture record holds its value.
    const partitionData = [{ index: 0, records: batchOf(['x'.repeat(BATCH_BYTES / 2)]) }]
    const topicData = [{ name: 'filled', partitionData }]
    const written = await client.send(produce, 9, { acks: -1, timeoutMs: 5000, topicData })
    expect(written.responses[0]?.partitionResponses[0]?.errorCode).toBe(0)
  }
  client.close()
})
afterEach(async () => {
  await broker.check()
  await broker.checkForgotten()
})
afterAll(() => broker.stop())

const fetchFilled = (correlationId: number): Buffer =>
  encodeRequestFrame(
    fetch,
    12,
    { correlationId, clientId: 'wire' },
    {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [
        { topic: 'filled', partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: FILLED_BYTES * 2 }] },
      ],
    },
  )
const everyTopic = (correlationId: number): Buffer =>
  encodeRequestFrame(metadata, 12, { correlationId, clientId: 'wire' }, { topics: null })

async function deafSocket(): Promise<Socket> {
  const socket = connect(broker.port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket.pause()
}

/** How much memory `body` takes while it lasts, beyond what was there; the best of what is left when garbage is gone. */
async function grownBytes(body: () => Promise<void>): Promise<number> {
  await broker.check()
  const before = process.memoryUsage.rss()
  await body()
  return process.memoryUsage.rss() - before
}

test.each([
  ['fetched records', fetchFilled, 64],
  ['upcalled answers', everyTopic, 1000],
])('readers that ask for %s and do not read take bounded memory', async (_what, request, requests) => {
  const sockets = await Promise.all(Array.from({ length: 40 }, deafSocket))
  const bytes = Buffer.concat(Array.from({ length: requests }, (_, index) => sized(request(index))))
  const grown = await grownBytes(async () => {
    for (const socket of sockets) socket.write(bytes)
    for (let round = 0; round < 10; round += 1) {
      await pause(50)
      await broker.check()
    }
  })
  for (const socket of sockets) socket.destroy()
  expect(grown).toBeLessThan(GROWN_BYTES_MAX)
})

test('a slow reader gets every answer, whole and in order', async () => {
  const socket = await deafSocket()
  const requests = Array.from({ length: 6 }, (_, index) => [fetchFilled(index * 2), everyTopic(index * 2 + 1)]).flat()
  socket.write(Buffer.concat(requests.map(frame => sized(frame))))
  const chunks: Buffer[] = []
  let received = 0
  socket.on('data', chunk => {
    chunks.push(chunk)
    received += chunk.length
    socket.pause()
    setTimeout(() => socket.resume(), 1)
  })
  socket.resume()
  await vi.waitFor(() => expect(received).toBeGreaterThan(FILLED_BYTES * 6), { timeout: 20_000, interval: 20 })
  await pause(100)
  const all = Buffer.concat(chunks)
  let at = 0
  for (const [index] of requests.entries()) {
    const size = all.readInt32BE(at)
    expect(all.readInt32BE(at + 4)).toBe(index)
    if (index % 2 === 0) {
      const { response } = decodeResponseFrame(fetch, 12, all.subarray(at + 4, at + 4 + size))
      expect(response.responses[0]?.partitions[0]?.records?.length).toBeGreaterThanOrEqual(FILLED_BYTES)
    }
    at += 4 + size
  }
  expect(at).toBe(all.length)
  socket.destroy()
})

test('pipelined produce requests are written and answered in the order they were sent', async () => {
  const requests = 1500
  const client = await WireClient.open(broker.port)
  const frames = Array.from({ length: requests }, (_, index) =>
    encodeRequestFrame(
      produce,
      9,
      { correlationId: index, clientId: 'wire' },
      {
        acks: index % 3 === 0 ? 1 : -1,
        timeoutMs: 5000,
        topicData: [
          { name: 'ordered', partitionData: [{ index: index % 2, records: batchOf([`${index}`]) }] },
          ...(index % 10 === 0 ? [{ name: 'nowhere', partitionData: [{ index: 0, records: batchOf(['x']) }] }] : []),
        ],
      },
    ),
  )
  client.sendBytes(Buffer.concat(frames.map(frame => sized(frame))))
  for (let index = 0; index < requests; index += 1) {
    const { correlationId, response } = decodeResponseFrame(produce, 9, (await client.nextFrame()) as Buffer)
    expect(correlationId).toBe(index)
    const [written, refused] = response.responses
    expect(written?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: BigInt(Math.floor(index / 2)) })
    expect(refused?.partitionResponses[0]?.errorCode).toBe(
      index % 10 === 0 ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : undefined,
    )
  }
  client.close()
})

test('acks=0 is not answered; with an error the connection is closed, after what came before is answered', async () => {
  const header = { correlationId: 1, clientId: 'wire' }
  const produceTo = (name: string, acks: number) =>
    sized(
      encodeRequestFrame(produce, 9, header, {
        acks,
        timeoutMs: 1000,
        topicData: [{ name, partitionData: [{ index: 0, records: batchOf(['value']) }] }],
      }),
    )
  const client = await WireClient.open(broker.port)
  client.sendBytes(Buffer.concat([produceTo('filled', 0), produceTo('filled', 0), sized(everyTopic(9))]))
  expect((await client.nextFrame())?.readInt32BE(0)).toBe(9)
  const closed = await broker.counted(['AcksZeroClosedTotal'], async () => {
    client.sendBytes(Buffer.concat([produceTo('filled', -1), produceTo('nowhere', 0), produceTo('filled', -1)]))
    expect(await client.nextFrame()).not.toBeNull()
    expect(await client.nextFrame()).toBeNull()
  })
  expect(closed).toBe(1)
  client.close()
})

test('2,000 connections are served, and take little memory', async () => {
  const sockets: Socket[] = []
  const request = sized(encodeRequestFrame(apiVersions, 2, { correlationId: 5, clientId: 'wire' }, {}))
  const grown = await grownBytes(() =>
    inParallel(Array.from({ length: 2000 }), 64, async () => {
      const socket = connect(broker.port, '127.0.0.1')
      socket.write(request)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      expect(answer.readInt32BE(4)).toBe(5)
      sockets.push(socket)
    }),
  )
  expect(grown).toBeLessThan(GROWN_BYTES_MAX)
  await broker.check()
  for (const socket of sockets) socket.destroy()
})

test('a connection over the limit is closed and counted, and there is room again when others leave', async () => {
  await using limited = await AttackedBroker.start({ settings: { 'max.connections': '10' } })
  const attempt = async (): Promise<{ client: WireClient; served: boolean }> => {
    const client = await WireClient.open(limited.port)
    client.sendFrame(encodeRequestFrame(apiVersions, 2, { correlationId: 5, clientId: 'wire' }, {}))
    return { client, served: (await client.nextFrame()) !== null }
  }
  const attempts = await Promise.all(Array.from({ length: 30 }, attempt))
  expect(attempts.filter(({ served }) => served)).toHaveLength(9)
  expect(limited.metric('ConnectionsRefusedTotal')).toBe(21)
  for (const { client } of attempts) client.close()
  await limited.checkForgotten()
  const late = await attempt()
  expect(late.served).toBe(true)
  late.client.close()
  await limited.check()
})

test('frames begun and not ended take no more than the memory there is for requests', async () => {
  await using tight = await AttackedBroker.start({ settings: { 'queued.max.request.bytes': String(8 << 20) } })
  const before = process.memoryUsage.rss()
  const clients = await Promise.all(Array.from({ length: 60 }, () => WireClient.open(tight.port)))
  const part = sized(Buffer.alloc(1 << 20), 50 << 20)
  for (const client of clients) client.sendBytes(part)
  await vi.waitFor(() => expect(tight.metric('RequestMemoryWaitsTotal')).toBeGreaterThan(0), { timeout: 5000 })
  await tight.check()
  // The sender's own buffers are in this process too.
  expect(process.memoryUsage.rss() - before).toBeLessThan((60 << 20) + GROWN_BYTES_MAX)
  for (const client of clients) client.close()
  await tight.check()
})
