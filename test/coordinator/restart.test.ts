// Groups on a real broker: what was committed is there after a restart, and a member can go on where it was.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import {
  type Api,
  decodeResponseFrame,
  encodeRequestFrame,
  ErrorCode,
  findCoordinator,
  heartbeat,
  joinGroup,
  offsetCommit,
  offsetFetch,
  type RequestInput,
  type ResponseOf,
  syncGroup,
} from '#protocol'
import { startBroker } from '#test-kit'
import { joinRequest } from './shard-world.ts'

const path = mkdtempSync(join(tmpdir(), 'millrace-groups-'))
afterAll(() => rmSync(path, { recursive: true, force: true }))

/** One request on a connection of its own. */
function ask<A extends Api>(port: number, api: A, version: number, request: RequestInput<A>): Promise<ResponseOf<A>> {
  const frame = encodeRequestFrame(api, version, { correlationId: 1, clientId: 'test' }, request)
  const size = Buffer.alloc(4)
  size.writeInt32BE(frame.length)
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let received = Buffer.alloc(0)
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`the broker closed the connection of ${api.name}`)))
    socket.on('data', data => {
      received = Buffer.concat([received, data])
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return
      resolve(decodeResponseFrame(api, version, received.subarray(4)).response)
      socket.destroy()
    })
    socket.write(Buffer.concat([size, frame]))
  })
}

test('offsets and the generation of a group survive a restart of the broker', async () => {
  const options = { storage: { path }, topics: { t: { partitions: 2 } } }
  let memberId = ''
  {
    await using broker = await startBroker(options)
    const { port } = broker
    const found = await ask(port, findCoordinator, 4, { keyType: 0, coordinatorKeys: ['g'] })
    expect(found.coordinators[0]).toMatchObject({ errorCode: ErrorCode.NONE, port })
    const joined = await ask(port, joinGroup, 3, joinRequest({ sessionTimeoutMs: 30_000 }))
    memberId = joined.memberId
    const assignments = [{ memberId, assignment: Buffer.from('mine') }]
    await ask(port, syncGroup, 3, { groupId: 'g', generationId: 1, memberId, assignments })
    const partitions = [{ partitionIndex: 1, committedOffset: 42n, committedLeaderEpoch: 3, committedMetadata: 'note' }]
    const committed = await ask(port, offsetCommit, 8, {
      groupId: 'g',
      generationIdOrMemberEpoch: 1,
      memberId,
      topics: [{ name: 't', partitions }],
    })
    expect(committed.topics[0]?.partitions[0]?.errorCode).toBe(ErrorCode.NONE)
  }
  await using broker = await startBroker({ storage: { path } })
  const { port } = broker
  const fetched = await ask(port, offsetFetch, 9, { groups: [{ groupId: 'g', topics: null }] })
  expect(fetched.groups[0]?.topics).toMatchObject([
    { name: 't', partitions: [{ partitionIndex: 1, committedOffset: 42n, committedLeaderEpoch: 3, metadata: 'note' }] },
  ])
  const alive = await ask(port, heartbeat, 4, { groupId: 'g', generationId: 1, memberId })
  expect(alive.errorCode).toBe(ErrorCode.NONE)
  const synced = await ask(port, syncGroup, 3, { groupId: 'g', generationId: 1, memberId, assignments: [] })
  expect(synced.assignment).toEqual(Buffer.from('mine'))
})
