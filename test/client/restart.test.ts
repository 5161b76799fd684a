// The broker goes away and comes back on the same port with the same data; clients that were in the middle of something go on.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Consumer, Producer } from '#client'
import { startBroker, type TestBroker } from '#test-kit'

const closers: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

test('producer, follower and group member go on after a restart of the broker', async () => {
  const path = mkdtempSync(join(tmpdir(), 'millrace-client-'))
  closers.push(() => rmSync(path, { recursive: true, force: true }))
  let broker: TestBroker = await startBroker({ storage: { path }, topics: { t: { partitions: 2 } } })
  closers.push(() => broker.stop())
  const options = { bootstrapServers: broker.bootstrap, retryBackoffMs: 20, retryBackoffMaxMs: 100 }
  const producer = new Producer({ ...options, lingerMs: 0 })
  closers.push(() => producer.close())
  const consumer = new Consumer({ ...options, groupId: 'g', autoOffsetReset: 'earliest', heartbeatIntervalMs: 100 })
  closers.push(() => consumer.close())
  consumer.subscribe(['t'])
  const seen: number[] = []
  const reading = (async () => {
    for await (const { value } of consumer.records({ limit: 60 })) seen.push(Number(value))
  })()
  const sends: Promise<unknown>[] = []
  for (let index = 0; index < 60; index++) {
    sends.push(producer.send({ topic: 't', partition: index % 2, value: String(index) }))
    await new Promise(resolve => setTimeout(resolve, 10))
    if (index !== 30) continue
    const { port } = broker
    await broker.stop()
    await new Promise(resolve => setTimeout(resolve, 200))
    broker = await startBroker({ storage: { path }, port })
  }
  await Promise.all(sends)
  await reading
  for (const parity of [0, 1]) {
    expect(seen.filter(value => value % 2 === parity)).toEqual(
      Array.from({ length: 30 }, (_, index) => index * 2 + parity),
    )
  }
})
