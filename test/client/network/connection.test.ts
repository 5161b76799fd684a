// What a connection does with a peer that is slow, old, broken or no broker at all.
import { createServer } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { Admin, ConnectionError, KafkaError, UnreachableError } from '#client'
import { realHost } from '#host'
import { apiVersions, metadata } from '#protocol'
import { Connection } from '../../../src/client/network/connection.ts'
import { ScriptedBroker } from '../scripted-broker.ts'
import { testCodec } from '../test-codec.ts'

const host = realHost({ level: 'silent' })
const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function broker(): Promise<ScriptedBroker> {
  const scripted = await ScriptedBroker.start()
  closers.push(() => scripted.stop())
  return scripted
}

async function open(
  scripted: { readonly port: number },
  over: { requestTimeoutMs?: number; responseBytesMax?: number } = {},
): Promise<Connection> {
  const connection = await Connection.open({
    address: { host: '127.0.0.1', port: scripted.port },
    clientId: 'test',
    connectTimeoutMs: 1_000,
    requestTimeoutMs: 1_000,
    responseBytesMax: 1_000_000,
    host,
    onClosed: () => {},
    ...over,
  })
  closers.push(() => connection.close(new KafkaError('NETWORK_EXCEPTION', 'test over')))
  return connection
}

test('requests are answered in order, each by its own answer', async () => {
  const scripted = await broker()
  scripted.on(metadata, (_, { before }) => ({ ...scripted.metadataOf('t', 1), clusterId: `answer ${before}` }))
  const connection = await open(scripted)
  const answers = await Promise.all([0, 1, 2, 3].map(() => connection.send(metadata, { topics: [] })))
  expect(answers.map(({ clusterId }) => clusterId)).toEqual(['answer 0', 'answer 1', 'answer 2', 'answer 3'])
})

test('a broker that does not know our ApiVersions is asked again in its own version', async () => {
  const scripted = await broker()
  const versions: number[] = []
  scripted.on(apiVersions, (_, { version }) => {
    versions.push(version)
    if (version <= 2) return { apiKeys: [{ apiKey: metadata.key, minVersion: 0, maxVersion: 9 }] }
    const refusal = Buffer.alloc(4 + 2 + 4 + 6)
    refusal.writeInt16BE(35, 4)
    refusal.writeInt32BE(1, 6)
    refusal.writeInt16BE(18, 10)
    refusal.writeInt16BE(0, 12)
    refusal.writeInt16BE(2, 14)
    return refusal
  })
  const connection = await open(scripted)
  expect(versions).toEqual([4, 2])
  expect(connection.versions.pick(metadata)).toBe(9)
})

test('a request without an answer fails at its timeout and takes the connection with it', async () => {
  const scripted = await broker()
  scripted.on(metadata, (_, { before }) => (before === 0 ? 'silence' : scripted.metadataOf('t', 1)))
  const connection = await open(scripted, { requestTimeoutMs: 100 })
  const first = connection.send(metadata, { topics: [] })
  const second = connection.send(metadata, { topics: [] }, { timeoutMs: 10_000 })
  await expect(first).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT', retriable: true })
  await expect(second).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
  expect(connection.isOpen).toBe(false)
  await expect(connection.send(metadata, { topics: [] })).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
})

test('a peer that hangs up fails everything in flight', async () => {
  const scripted = await broker()
  scripted.on(metadata, () => 'hang-up')
  const connection = await open(scripted)
  const results = await Promise.allSettled([1, 2].map(() => connection.send(metadata, { topics: [] })))
  for (const result of results)
    expect(result).toMatchObject({ status: 'rejected', reason: { name: 'ConnectionError', code: 'NETWORK_EXCEPTION' } })
})

test('an answer to another question closes the connection', async () => {
  const scripted = await broker()
  scripted.on(metadata, () => Buffer.from([0, 0, 0, 99, 0, 0, 0, 0]))
  const connection = await open(scripted)
  await expect(connection.send(metadata, { topics: [] })).rejects.toThrow(/answer 99/)
})

test('an answer that cannot be decoded, or is too large, closes the connection', async () => {
  const scripted = await broker()
  scripted.on(metadata, () => Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 255, 255, 255]))
  await expect((await open(scripted)).send(metadata, { topics: [] })).rejects.toBeInstanceOf(ConnectionError)
  scripted.on(metadata, () => Buffer.alloc(2_000))
  await expect((await open(scripted, { responseBytesMax: 1_000 })).send(metadata, { topics: [] })).rejects.toThrow(
    /2000 bytes/,
  )
})

test('an abort ends the wait and leaves the connection to the others', async () => {
  const scripted = await broker()
  let release: () => void = () => {}
  const held = new Promise<void>(resolve => (release = resolve))
  scripted.on(metadata, async () => {
    await held
    return scripted.metadataOf('t', 1)
  })
  const connection = await open(scripted)
  const abort = new AbortController()
  const aborted = connection.send(metadata, { topics: [] }, { signal: abort.signal })
  const other = connection.send(metadata, { topics: [] })
  abort.abort(new Error('changed my mind'))
  await expect(aborted).rejects.toThrow('changed my mind')
  release()
  expect((await other).clusterId).toBe('scripted')
})

test('something that is no broker is named as such', async () => {
  const server = createServer(socket =>
    socket
      .on('error', () => {})
      .resume()
      .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => new Promise<void>(resolve => server.close(() => resolve())))
  const { port } = server.address() as { port: number }
  await expect(open({ port })).rejects.toThrow(/really a Kafka port/)
})

test('a client whose bootstrap addresses all refuse says so, at once when told to', async () => {
  const scripted = await ScriptedBroker.start()
  const { port } = scripted
  await scripted.stop()
  const admin = new Admin({ bootstrapServers: `127.0.0.1:${port}`, bootstrapTimeoutMs: 0, codec: testCodec })
  closers.push(() => admin.close())
  const failure = await admin.listTopics().catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(UnreachableError)
  expect((failure as Error).message).toBe(`127.0.0.1:${port}: connection refused`)
})

test('one reachable bootstrap address is enough', async () => {
  const gone = await ScriptedBroker.start()
  await gone.stop()
  const scripted = await broker()
  const admin = new Admin({
    bootstrapServers: [gone.bootstrap, scripted.bootstrap],
    bootstrapTimeoutMs: 0,
    codec: testCodec,
  })
  closers.push(() => admin.close())
  expect((await admin.listTopics()).map(({ name }) => name)).toEqual(['t'])
})

test('close() fails calls under way and leaves nothing behind that keeps the process', async () => {
  const scripted = await broker()
  scripted.on(metadata, () => 'silence')
  const before = process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap' || name === 'Timeout').length
  const admin = new Admin({ bootstrapServers: scripted.bootstrap, codec: testCodec })
  const call = admin.listTopics()
  const failed = expect(call).rejects.toMatchObject({ name: 'ClientClosedError' })
  await new Promise(resolve => setTimeout(resolve, 50))
  await admin.close()
  await failed
  await expect(admin.listTopics()).rejects.toMatchObject({ name: 'ClientClosedError' })
  await new Promise(resolve => setTimeout(resolve, 20))
  const after = process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap' || name === 'Timeout').length
  expect(after).toBeLessThanOrEqual(before)
})

test('a misspelled option is refused with the nearest right one', () => {
  expect(() => new Admin({ bootstrapServers: 'a:1', requestTimeoutMS: 5 } as never)).toThrow(
    "no option 'requestTimeoutMS'; did you mean 'requestTimeoutMs'?",
  )
  expect(() => new Admin({ bootstrapServers: 'a:1', apiTimeoutMs: -1 })).toThrow(/apiTimeoutMs/)
  expect(() => new Admin({} as never)).toThrow(/bootstrapServers/)
})
