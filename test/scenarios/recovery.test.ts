// What a node does with logs that an unclean stop left behind: the pool partition-io checks them before the port opens.
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startBroker } from '#test-kit'
import { fetchFrom, produceTo } from './records.ts'
import { WireClient } from './wire-client.ts'

const PARTITIONS = 12

let path: string
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'millrace-recovery-'))
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

/** What a kill -9 leaves, but for the torn batch that the caller adds: no clean marker. */
const forgetCleanStop = () => rmSync(join(path, '.kafka_cleanshutdown'))
const segmentOf = (partition: number) => join(path, `crashed-${partition}`, '00000000000000000000.log')

async function valuesOf(port: number): Promise<string[][]> {
  const client = await WireClient.open(port)
  const values: string[][] = []
  for (let partition = 0; partition < PARTITIONS; partition += 1)
    values.push(await fetchFrom(client, 'crashed', 0n, partition))
  client.close()
  return values
}

test('every partition is recovered before the port opens, and a torn tail is cut off', async () => {
  const before = await startBroker({ storage: { path }, topics: { crashed: { partitions: PARTITIONS } } })
  expect(before.broker.metrics()['RecoveredLogsTotal']).toBe(0)
  const client = await WireClient.open(before.port)
  for (let partition = 0; partition < PARTITIONS; partition += 1)
    await produceTo(client, 'crashed', [`first-${partition}`, `second-${partition}`], partition)
  client.close()
  const produced = await valuesOf(before.port)
  await before.stop()
  forgetCleanStop()
  appendFileSync(segmentOf(3), Buffer.alloc(500, 7))

  await using after = await startBroker({ storage: { path } })
  const metrics = after.broker.metrics()
  expect(metrics['RecoveredLogsTotal']).toBeGreaterThanOrEqual(PARTITIONS)
  expect(metrics['remainingLogsToRecover']).toBe(0)
  expect(metrics['remainingSegmentsToRecover']).toBe(0)
  expect(await valuesOf(after.port)).toEqual(produced)
  const again = await WireClient.open(after.port)
  expect(await produceTo(again, 'crashed', ['third'], 3)).toMatchObject({ errorCode: 0, baseOffset: 2n })
  again.close()
})

test('a clean stop leaves nothing to recover', async () => {
  const before = await startBroker({ storage: { path }, topics: { crashed: { partitions: PARTITIONS } } })
  const client = await WireClient.open(before.port)
  await produceTo(client, 'crashed', ['kept'])
  client.close()
  await before.stop()
  await using after = await startBroker({ storage: { path } })
  expect(after.broker.metrics()).toMatchObject({ RecoveredLogsTotal: 0, RecoveryScannedBytesTotal: 0 })
})

test('a broker that was recovered after a crash stops cleanly and starts without recovery', async () => {
  const first = await startBroker({ storage: { path }, topics: { crashed: {} } })
  await first.stop()
  forgetCleanStop()
  const second = await startBroker({ storage: { path } })
  expect(second.broker.metrics()['RecoveredLogsTotal']).toBeGreaterThan(0)
  await second.stop()
  await using third = await startBroker({ storage: { path } })
  expect(third.broker.metrics()['RecoveredLogsTotal']).toBe(0)
})
