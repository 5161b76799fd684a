// The packed events of the native core, written here byte by byte as the format says and read back.
import { expect, test } from 'vitest'
import { decodeEvents } from '#native'

function event(kind: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5 + body.length)
  bytes.writeUInt32LE(1 + body.length, 0)
  bytes.writeUInt8(kind, 4)
  body.copy(bytes, 5)
  return bytes
}

function requestEvent(frame: Buffer): Buffer {
  const peer = Buffer.from('127.0.0.1')
  const head = Buffer.alloc(23)
  head.writeBigUInt64LE(0x1_0000_0002n, 0)
  head.writeUInt32LE(7, 8)
  head.writeUInt16LE(1, 12)
  head.writeInt16LE(18, 14)
  head.writeInt16LE(4, 16)
  head.writeInt32LE(-9, 18)
  head.writeUInt8(peer.length, 22)
  const size = Buffer.alloc(4)
  size.writeUInt32LE(frame.length)
  return event(1, Buffer.concat([head, peer, size, frame]))
}

function appendDone(token: bigint, errorCode: number, baseOffset: bigint, lastOffset: bigint): Buffer {
  const body = Buffer.alloc(26)
  body.writeBigUInt64LE(token, 0)
  body.writeInt16LE(errorCode, 8)
  body.writeBigInt64LE(baseOffset, 10)
  body.writeBigInt64LE(lastOffset, 18)
  return event(2, body)
}

test('a batch of events of every kind decodes in order', () => {
  const closed = Buffer.alloc(4)
  closed.writeUInt32LE(7)
  const failed = Buffer.concat([Buffer.from([1, 0, 3, 0]), Buffer.from('EIO')])
  const batch = Buffer.concat([
    requestEvent(Buffer.from('frame')),
    appendDone(5n, 0, 100n, 109n),
    event(3, closed),
    event(4, failed),
  ])
  expect([...decodeEvents(batch)]).toEqual([
    {
      kind: 'request',
      token: 0x1_0000_0002n,
      connectionId: 7,
      listenerIndex: 1,
      apiKey: 18,
      apiVersion: 4,
      correlationId: -9,
      peerHost: '127.0.0.1',
      frame: Buffer.from('frame'),
    },
    { kind: 'appendDone', token: 5n, errorCode: 0, baseOffset: 100n, lastOffset: 109n },
    { kind: 'connectionClosed', connectionId: 7 },
    { kind: 'logDirFailed', logDirIndex: 1, message: 'EIO' },
  ])
})

test('an empty batch holds no events', () => {
  expect([...decodeEvents(Buffer.alloc(0))]).toEqual([])
})

test('an event that reaches past its batch is our own bug and stops us', () => {
  const cut = requestEvent(Buffer.from('frame')).subarray(0, 20)
  expect(() => [...decodeEvents(cut)]).toThrow('an event ends inside its batch')
})

test('an unknown kind stops us', () => {
  expect(() => [...decodeEvents(event(9, Buffer.alloc(0)))]).toThrow('unknown kind 9')
})
