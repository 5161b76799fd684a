// franz-go: group of two with a rebalance, keys, headers, all codecs, idempotence on (its default).
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts'
import { run } from './toolbox/cache.mjs'
import { franzGoPath } from './toolbox/franz-go.mjs'
import { kafkaAdmin } from './topics.ts'

let broker: BrokerProcess
beforeAll(async () => {
  broker = await startBrokerProcess()
})
afterAll(() => broker.remove())

test('two members share a topic after a rebalance and see every record', async () => {
  await kafkaAdmin(broker.bootstrap, admin =>
    admin.createTopics({ topics: [{ topic: 'franz', numPartitions: 4, replicationFactor: 1 }] }),
  )
  const { stdout } = await run(await franzGoPath(), ['group', broker.bootstrap, 'franz', '200'], { timeoutMs: 100_000 })
  const told = JSON.parse(stdout)
  expect(told.records).toBe(2 * 200 * 5)
  expect(told.split).toEqual([2, 2])
}, 110_000)
