// The block of producer ids a broker holds: no id twice, no wait at the seam of two blocks, no failure remembered.
import { expect, test } from 'vitest'
import { type Api, KafkaError, type ResponseOf } from '#protocol'
import type { ControllerAnswer, ControllerChannel } from '../../src/broker/controller-channel.ts'
import { ProducerIds } from '../../src/broker/producer-ids.ts'

/** A controller that hands out blocks of ten, and fails while `failing` is set. */
class Blocks implements ControllerChannel {
  failing = false
  asked = 0

  async send<A extends Api>(): Promise<ControllerAnswer<A>> {
    this.asked += 1
    const response = this.failing
      ? { errorCode: 77, producerIdStart: 0n, producerIdLen: 0 }
      : { errorCode: 0, producerIdStart: BigInt(this.asked) * 1000n, producerIdLen: 10 }
    return { response: response as unknown as ResponseOf<A>, metadataOffset: 0n }
  }

  close(): void {}
}

const idsFrom = (channel: ControllerChannel) => new ProducerIds({ channel, nodeId: 1, brokerEpoch: () => 5n })

test('a hundred callers at once get a hundred ids', async () => {
  const ids = idsFrom(new Blocks())
  const given = await Promise.all(Array.from({ length: 100 }, () => ids.next()))
  expect(new Set(given).size).toBe(100)
})

test('one block is asked for, however many wait', async () => {
  const blocks = new Blocks()
  const ids = idsFrom(blocks)
  expect(await Promise.all([ids.next(), ids.next(), ids.next()])).toEqual([1000n, 1001n, 1002n])
  expect(blocks.asked).toBe(1)
})

test('the next block is asked for before the last id of this one is gone', async () => {
  const blocks = new Blocks()
  const ids = idsFrom(blocks)
  for (let count = 0; count < 10; count += 1) await ids.next()
  expect(blocks.asked).toBe(2)
  expect(await ids.next()).toBe(2000n)
})

test('a controller that fails is asked again by the next producer', async () => {
  const blocks = new Blocks()
  blocks.failing = true
  const ids = idsFrom(blocks)
  await expect(ids.next()).rejects.toBeInstanceOf(KafkaError)
  blocks.failing = false
  expect(await ids.next()).toBe(2000n)
})
