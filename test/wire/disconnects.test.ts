// Clients that leave in the middle of anything: what they held is let go, and nobody else waits for them.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { encodeRequestFrame, fetch, joinGroup, listOffsets, metadata, produce, syncGroup } from '#protocol'
import { WireClient } from '../scenarios/wire-client.ts'
import { batchOf } from './answers/batches.ts'
import { AttackedBroker, sized } from './attacked-broker.ts'

const FILLED_BYTES = 8 << 20
const BATCH_BYTES = 1 << 19
const LONG_MS = 60_000

let broker: AttackedBroker

beforeAll(async () => {
  const forEver = { 'retention.ms': '-1' }
  broker = await AttackedBroker.start({
    topics: {
      orders: { configs: forEver },
      filled: { configs: forEver },
      'quiet-destroy': {},
      'quiet-resetAndDestroy': {},
    },
  })
  const client = await WireClient.open(broker.port)
  for (let bytes = 0; bytes < FILLED_BYTES; bytes += BATCH_BYTES) {
    // The key of a fixture record holds its value.
    const written = await client.send(produce, 9, produceOf('filled', batchOf(['x'.repeat(BATCH_BYTES / 2)])))
    expect(written.responses[0]?.partitionResponses[0]?.errorCode).toBe(0)
  }
  client.close()
})
afterEach(async () => {
  await broker.checkForgotten()
  await broker.check()
})
afterAll(() => broker.stop())

const header = { correlationId: 1, clientId: 'wire' }

function produceOf(name: string, records: Buffer, acks = -1) {
  return { acks, timeoutMs: 5000, topicData: [{ name, partitionData: [{ index: 0, records }] }] }
}

function fetchOf(topic: string, maxWaitMs: number) {
  const partitions = [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: FILLED_BYTES }]
  return { maxWaitMs, minBytes: 1, topics: [{ topic, partitions }] }
}

function joinOf(groupId: string, memberId: string) {
  return {
    groupId,
    memberId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: LONG_MS,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('any') }],
  }
}

async function openSocket(): Promise<Socket> {
  const socket = connect(broker.port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

test('right after connecting', async () => {
  const sockets = Array.from({ length: 300 }, () => connect(broker.port, '127.0.0.1').on('error', () => {}))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  for (const [index, socket] of sockets.entries()) index % 2 === 0 ? socket.destroy() : socket.resetAndDestroy()
})

test('in the middle of a frame', async () => {
  const whole = sized(encodeRequestFrame(produce, 9, header, produceOf('orders', batchOf(['never']))))
  for (let cut = 1; cut < whole.length; cut += 7) {
    const socket = await openSocket()
    socket.write(whole.subarray(0, cut))
    cut % 2 === 0 ? socket.destroy() : socket.resetAndDestroy()
  }
})

test.each(['destroy', 'resetAndDestroy'] as const)('while a fetch waits for records (%s)', async leave => {
  const sockets = await Promise.all(Array.from({ length: 50 }, openSocket))
  const parked = await broker.counted(['FetchesParkedTotal'], async () => {
    const request = sized(encodeRequestFrame(fetch, 12, header, fetchOf(`quiet-${leave}`, LONG_MS)))
    const before = broker.metric('FetchesParkedTotal')
    for (const socket of sockets) socket.write(request)
    await vi.waitFor(() => expect(broker.metric('FetchesParkedTotal')).toBeGreaterThanOrEqual(before + 50))
  })
  expect(parked).toBeGreaterThanOrEqual(50)
  for (const socket of sockets) socket[leave]()
  await broker.checkForgotten()
  const client = await WireClient.open(broker.port)
  const written = await client.send(produce, 9, produceOf(`quiet-${leave}`, batchOf(['for nobody'])))
  expect(written.responses[0]?.partitionResponses[0]?.errorCode).toBe(0)
  client.close()
})

test('while a JoinGroup waits for the others, who go on without', async () => {
  const leader = await WireClient.open(broker.port)
  const joined = await leader.send(joinGroup, 3, joinOf('left', ''))
  expect(joined.errorCode).toBe(0)
  await leader.send(syncGroup, 3, { groupId: 'left', generationId: joined.generationId, memberId: joined.memberId })
  const socket = await openSocket()
  const upcalls = broker.metric('RequestsTotal.11')
  socket.write(sized(encodeRequestFrame(joinGroup, 3, header, joinOf('left', ''))))
  await vi.waitFor(() => expect(broker.metric('RequestsTotal.11')).toBe(upcalls + 1))
  socket.destroy()
  const again = await leader.send(joinGroup, 3, joinOf('left', joined.memberId))
  expect(again.errorCode).toBe(0)
  expect(again.generationId).toBe(joined.generationId + 1)
  leader.close()
})

test('while a JoinGroup waits, with more requests behind it', async () => {
  const leader = await WireClient.open(broker.port)
  const joined = await leader.send(joinGroup, 3, joinOf('crowded', ''))
  await leader.send(syncGroup, 3, { groupId: 'crowded', generationId: joined.generationId, memberId: joined.memberId })
  for (const leave of ['destroy', 'resetAndDestroy'] as const) {
    const socket = await openSocket()
    const join = encodeRequestFrame(joinGroup, 3, header, joinOf('crowded', ''))
    const behind = encodeRequestFrame(metadata, 9, header, { topics: [] })
    const upcalls = broker.metric('RequestsTotal.11')
    socket.write(Buffer.concat([sized(join), sized(behind), sized(behind), sized(behind).subarray(0, 9)]))
    await vi.waitFor(() => expect(broker.metric('RequestsTotal.11')).toBe(upcalls + 1))
    socket[leave]()
  }
  // As in Kafka what was sent before a client closed is still served, so that it has left is seen when its turn comes.
  const again = await leader.send(joinGroup, 3, joinOf('crowded', joined.memberId))
  expect(again.errorCode).toBe(0)
  leader.close()
})

test('behind a bad frame, with the request before it still waiting', async () => {
  const socket = await openSocket()
  const waiting = encodeRequestFrame(fetch, 12, header, fetchOf('orders', LONG_MS))
  socket.write(Buffer.concat([sized(waiting), Buffer.from('ffffffff', 'hex')]))
  await vi.waitFor(() => expect(broker.metric('BadFrameNegativeLength')).toBeGreaterThan(0))
  socket.destroy()
})

test('with answers on the way that nobody reads', async () => {
  const sockets = await Promise.all(Array.from({ length: 20 }, openSocket))
  const request = sized(encodeRequestFrame(fetch, 12, header, fetchOf('filled', 0)))
  const sent = broker.metric('BytesOutTotal')
  for (const socket of sockets) socket.pause().write(Buffer.concat([request, request, request]))
  await vi.waitFor(() => expect(broker.metric('BytesOutTotal')).toBeGreaterThan(sent + sockets.length * 10_000))
  for (const [index, socket] of sockets.entries()) index % 2 === 0 ? socket.destroy() : socket.resetAndDestroy()
})

test('while the core looks for a record by its time', async () => {
  const topics = [{ name: 'filled', partitions: [{ partitionIndex: 0, timestamp: 5n }] }]
  const request = sized(encodeRequestFrame(listOffsets, 7, header, { replicaId: -1, topics }))
  for (let count = 0; count < 50; count += 1) {
    const socket = await openSocket()
    socket.write(request, () => socket.resetAndDestroy())
  }
})

test('right after producing: a record is there once or not at all', async () => {
  const leaving = 100
  for (let index = 0; index < leaving; index += 1) {
    const socket = await openSocket()
    const frame = encodeRequestFrame(produce, 9, header, produceOf('orders', batchOf([`left ${index}`]), index % 2))
    socket.write(sized(frame), () => (index % 3 === 0 ? socket.resetAndDestroy() : socket.destroy()))
  }
  await broker.checkForgotten()
  const client = await WireClient.open(broker.port)
  const written = await client.send(produce, 9, produceOf('orders', batchOf(['last'])))
  const end = written.responses[0]?.partitionResponses[0]?.baseOffset ?? -1n
  expect(end).toBeLessThanOrEqual(BigInt(leaving))
  const read = await client.send(fetch, 12, fetchOf('orders', 0))
  const text = read.responses[0]?.partitions[0]?.records?.toString('latin1') ?? ''
  const found = [...text.matchAll(/key-left (\d+)/g)].map(([, index]) => index)
  expect(new Set(found).size).toBe(found.length)
  expect(BigInt(found.length)).toBe(end)
  client.close()
})
