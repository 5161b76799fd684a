// What becomes of a request when its handler, its bytes or its answer is at fault: always one answer or one closed connection.
import { expect, test } from 'vitest'
import { manualHost } from '#host'
import type { RequestEvent } from '#native'
import {
  type Api,
  apiVersions,
  decodeResponseFrame,
  encodeRequestFrame,
  ErrorCode,
  findCoordinator,
  heartbeat,
  KafkaError,
  metadata,
} from '#protocol'
import type { ApiHandler, BrokerServices, RequestContext } from '../../src/broker/request-context.ts'
import { Router } from '../../src/broker/router.ts'

interface World {
  readonly router: Router
  readonly answers: { readonly token: bigint; readonly payload: Buffer }[]
  readonly closed: bigint[]
  readonly errors: () => readonly string[]
}

function world(...handlers: readonly ApiHandler[]): World {
  const host = manualHost()
  const answers: { token: bigint; payload: Buffer }[] = []
  const closed: bigint[] = []
  const router = new Router({
    services: {} as BrokerServices,
    data: {
      respond: (token, payload) => void answers.push({ token, payload }),
      closeConnection: token => void closed.push(token),
    },
    logger: host.logger,
    handlers: new Map(handlers.map(handler => [handler.api.key, handler])),
    listenerNames: ['PLAINTEXT'],
  })
  const errors = () => host.lines.filter(({ level }) => level === 'error').map(({ message }) => message)
  return { router, answers, closed, errors }
}

function request(api: Api, version: number, body: object = {}): RequestEvent {
  return {
    kind: 'request',
    token: 5n,
    connectionId: 1,
    listenerIndex: 0,
    apiKey: api.key,
    apiVersion: version,
    correlationId: 77,
    peerHost: '127.0.0.1',
    frame: encodeRequestFrame(api, version, { correlationId: 77, clientId: 'someone' }, body),
  }
}

const handlerOf = <A extends Api>(api: A, handle: ApiHandler<A>['handle']) => ({ api, handle }) as unknown as ApiHandler

test('a handler is told who asks, and its answer goes out under the request', async () => {
  let seen: RequestContext | undefined
  const { router, answers } = world(
    handlerOf(heartbeat, (_request, context) => {
      seen = context
      return { errorCode: ErrorCode.UNKNOWN_MEMBER_ID }
    }),
  )
  router.onRequest(request(heartbeat, 4, { groupId: 'g' }))
  expect(seen).toMatchObject({
    clientId: 'someone',
    clientHost: '/127.0.0.1',
    listenerName: 'PLAINTEXT',
    apiVersion: 4,
  })
  expect(answers).toHaveLength(1)
  const answer = decodeResponseFrame(heartbeat, 4, answers[0]?.payload as Buffer)
  expect(answer).toMatchObject({ correlationId: 77, response: { errorCode: ErrorCode.UNKNOWN_MEMBER_ID } })
})

test.each([
  [
    'throws',
    () => {
      throw new TypeError('oops')
    },
  ],
  [
    'rejects',
    async () => {
      throw new TypeError('oops')
    },
  ],
])('a handler that %s is UNKNOWN_SERVER_ERROR to the client and one line in the log', async (_how, handle) => {
  const { router, answers, errors } = world(handlerOf(heartbeat, handle))
  router.onRequest(request(heartbeat, 4))
  await router.stop()
  const answer = decodeResponseFrame(heartbeat, 4, answers[0]?.payload as Buffer)
  expect(answer.response.errorCode).toBe(ErrorCode.UNKNOWN_SERVER_ERROR)
  expect(errors()).toEqual(['request failed'])
  expect(router.counters.handlerFailures).toBe(1)
})

test('a KafkaError is an answer, not a failure of ours', () => {
  const { router, answers, errors } = world(
    handlerOf(heartbeat, () => {
      throw new KafkaError('NOT_COORDINATOR')
    }),
  )
  router.onRequest(request(heartbeat, 4))
  const answer = decodeResponseFrame(heartbeat, 4, answers[0]?.payload as Buffer)
  expect(answer.response.errorCode).toBe(ErrorCode.NOT_COORDINATOR)
  expect(errors()).toEqual([])
})

test('where an answer has no place for an error, the connection is closed', () => {
  const { router, answers, closed } = world(
    handlerOf(metadata, () => {
      throw new TypeError('oops')
    }),
  )
  router.onRequest(request(metadata, 9, { topics: null }))
  expect({ answers, closed }).toEqual({ answers: [], closed: [5n] })
})

test('an answer that the version cannot carry is our failure, and the client is told so', () => {
  const { router, answers, errors } = world(handlerOf(findCoordinator, () => ({ host: null as never })))
  router.onRequest(request(findCoordinator, 2))
  expect(decodeResponseFrame(findCoordinator, 2, answers[0]?.payload as Buffer).response.errorCode).toBe(-1)
  expect(errors()).toEqual(['request failed'])
})

test('bytes that are no request close the connection and are counted, not logged', () => {
  const { router, closed, errors } = world(handlerOf(heartbeat, () => ({})))
  const event = request(heartbeat, 4, { groupId: 'g' })
  router.onRequest({ ...event, frame: event.frame.subarray(0, event.frame.length - 3) })
  expect(closed).toEqual([5n])
  expect(router.counters.undecodableRequests).toBe(1)
  expect(errors()).toEqual([])
})

test('ApiVersions from the future is answered without reading it', () => {
  const { router, answers } = world(handlerOf(apiVersions, () => ({})))
  router.onRequest({ ...request(apiVersions, 3), apiVersion: 99, frame: Buffer.alloc(8) })
  const answer = decodeResponseFrame(apiVersions, 0, answers[0]?.payload as Buffer)
  expect(answer.response).toMatchObject({
    errorCode: ErrorCode.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
  })
})

test('a waiting request hears that its connection is gone, and stop waits until it is settled', async () => {
  let release: () => void = () => {}
  const { router, answers } = world(
    handlerOf(heartbeat, (_request, context) => {
      const { closed } = context
      return new Promise(resolve => {
        release = () => resolve({})
        closed.addEventListener('abort', () => resolve({ errorCode: ErrorCode.NOT_COORDINATOR }))
      })
    }),
  )
  router.onRequest(request(heartbeat, 4))
  router.onConnectionClosed(1)
  await router.stop()
  expect(answers).toHaveLength(1)
  release()
})
