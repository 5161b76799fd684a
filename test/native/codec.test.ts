// Checksum and compression of the real addon, and where the addon may be loaded.
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { codec, NativeError } from '#native'

const sample = Buffer.from('to and fro, '.repeat(500))

test('CRC-32C is the one of RFC 3720', () => {
  expect(codec.crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(codec.crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
})

test.each([1, 2, 3, 4])('what codec %i compresses it brings back', id => {
  const packed = codec.compress(id, -1, sample)
  expect(packed.length).toBeLessThan(sample.length / 5)
  expect(codec.decompress(id, packed, sample.length).equals(sample)).toBe(true)
})

test.each([1, 2, 3, 4])('codec %i refuses to unpack more than it may', id => {
  const bomb = codec.compress(id, -1, Buffer.alloc(1 << 20))
  expect(() => codec.decompress(id, bomb, 1000)).toThrow(NativeError)
})

test.each([1, 2, 3, 4])('codec %i refuses what it did not make', id => {
  expect(() => codec.decompress(id, Buffer.from('nonsense and more of it'), 1000)).toThrow(NativeError)
})

test('a codec that does not exist is an error', () => {
  expect(() => codec.compress(9, -1, sample)).toThrow(NativeError)
})

test('a worker thread is told that it cannot load the core', async () => {
  const worker = new Worker(
    `import { startBroker } from 'millrace/test'
     import { parentPort } from 'node:worker_threads'
     startBroker().catch(error => parentPort.postMessage(error.code))`,
    { eval: true, execArgv: ['--input-type=module'] },
  )
  const message = await new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  expect(message).toBe('WORKER_THREAD')
  await worker.terminate()
})
