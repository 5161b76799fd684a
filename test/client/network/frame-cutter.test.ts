import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameCutter } from '../../../src/client/network/frame-cutter.ts'

function framed(bodies: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    bodies.flatMap(body => {
      const size = Buffer.alloc(4)
      size.writeInt32BE(body.length)
      return [size, body]
    }),
  )
}

test('frames come out whole and in order, however the stream is cut', () => {
  const bodies = fc.array(fc.uint8Array({ minLength: 4, maxLength: 60 }), { maxLength: 8 })
  fc.assert(
    fc.property(bodies, fc.infiniteStream(fc.integer({ min: 1, max: 70 })), (frames, cuts) => {
      const stream = framed(frames)
      const out: Buffer[] = []
      const cutter = new FrameCutter(1_000)
      for (let at = 0; at < stream.length; ) {
        const take = cuts.next().value as number
        cutter.push(Buffer.from(stream.subarray(at, at + take)), body => out.push(Buffer.from(body)))
        at += take
      }
      expect(out).toEqual(frames.map(frame => Buffer.from(frame)))
    }),
  )
})

test.each([-1, 0, 3, 1_001, 0x48545450])('a size of %i is refused before anything is buffered for it', size => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(size)
  expect(() => new FrameCutter(1_000).push(bytes, () => {})).toThrow(/really a Kafka port/)
})
