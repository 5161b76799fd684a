// What a node still knows after it was stopped and started on the same directory.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { initProducerId, metadata } from '#protocol'
import { startBroker } from '#test-kit'
import { fetchFrom, produceTo } from './records.ts'
import { WireClient } from './wire-client.ts'

let path: string
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'millrace-restart-'))
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

test('records, topic ids, the cluster id and producer ids survive', async () => {
  const before = await startBroker({ storage: { path }, topics: { kept: { partitions: 2 } } })
  const first = await WireClient.open(before.port)
  await produceTo(first, 'kept', ['a', 'b'], 1)
  const known = await first.send(metadata, 12, { topics: [{ name: 'kept' }] })
  const { producerId } = await first.send(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1000 })
  first.close()
  await before.stop()

  const after = await startBroker({ storage: { path } })
  const second = await WireClient.open(after.port)
  const found = await second.send(metadata, 12, { topics: [{ name: 'kept' }] })
  expect(found.clusterId).toBe(known.clusterId)
  expect(found.topics[0]?.topicId).toBe(known.topics[0]?.topicId)
  expect(found.topics[0]?.partitions.map(({ leaderId }) => leaderId)).toEqual([1, 1])
  expect(await fetchFrom(second, 'kept', 0n, 1)).toEqual(['a', 'b'])
  expect(await produceTo(second, 'kept', ['c'], 1)).toMatchObject({ errorCode: 0, baseOffset: 2n })
  const next = await second.send(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 1000 })
  expect(next.producerId).toBeGreaterThan(producerId)
  second.close()
  await after.stop()
})

test('the directory is in the layout of Kafka', async () => {
  const kafka = await startBroker({ storage: { path }, topics: { laid: {} } })
  const client = await WireClient.open(kafka.port)
  await produceTo(client, 'laid', ['a'])
  const { topics } = await client.send(metadata, 12, { topics: [{ name: 'laid' }] })
  client.close()
  await kafka.stop()
  const properties = readFileSync(join(path, 'meta.properties'), 'utf8')
  expect(properties).toMatch(/^version=1$/m)
  expect(properties).toMatch(/^node\.id=1$/m)
  expect(properties).toMatch(/^cluster\.id=[\w-]{22}$/m)
  expect(readFileSync(join(path, 'laid-0', 'partition.metadata'), 'utf8')).toBe(
    `version: 0\ntopic_id: ${topics[0]?.topicId}\n`,
  )
  expect(readFileSync(join(path, 'laid-0', '00000000000000000000.log')).readInt8(16)).toBe(2)
  expect(JSON.parse(readFileSync(join(path, '.kafka_cleanshutdown'), 'utf8'))).toMatchObject({ version: 0 })
})

test('a node takes its id from its directory, and refuses to be another', async () => {
  const first = await startBroker({ storage: { path }, settings: { 'node.id': '7' } })
  await first.stop()
  const again = await startBroker({ storage: { path } })
  expect(again.broker.nodeId).toBe(7)
  await again.stop()
  await expect(startBroker({ storage: { path }, settings: { 'node.id': '8' } })).rejects.toThrow(/7/)
})
