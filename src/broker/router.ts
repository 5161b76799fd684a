// Owns the way of a request through the control plane: decode, handler, encode, answer. Never knows what an API means.
// Invariant: every request token is settled exactly once, by an answer or by closing its connection.
import { assert, type Logger } from '#host'
import type { BrokerHandle, RequestEvent } from '#native'
import {
  type Api,
  apiName,
  apiVersions,
  decodeRequest,
  decodeRequestFrame,
  ErrorCode,
  encodeResponseFrame,
  KafkaError,
  type ResponseInput,
  supportsVersion,
  WireError,
} from '#protocol'
import type { ApiHandler, BrokerServices, RequestContext } from './request-context.ts'

export interface RouterOptions {
  readonly services: BrokerServices
  readonly data: Pick<BrokerHandle, 'respond' | 'closeConnection'>
  readonly logger: Logger
  readonly handlers: ReadonlyMap<number, ApiHandler>
  /** Names by listener index, in the order they were bound. */
  readonly listenerNames: readonly string[]
}

/** What went wrong with requests, by kind; part of the node's metrics. */
export interface RouterCounters {
  requests: number
  undecodableRequests: number
  unsupportedRequests: number
  handlerFailures: number
}

export class Router {
  readonly counters: RouterCounters = {
    requests: 0,
    undecodableRequests: 0,
    unsupportedRequests: 0,
    handlerFailures: 0,
  }
  readonly #options: RouterOptions
  readonly #connections = new Map<number, AbortController>()
  #inFlight = 0
  #idle: (() => void) | undefined

  constructor(options: RouterOptions) {
    this.#options = options
  }

  onRequest(event: RequestEvent): void {
    this.counters.requests += 1
    this.#inFlight += 1
    const request = this.#decode(event)
    if (request === null) return this.#closeConnection(event)
    const { handler, body, context } = request
    try {
      const response = handler.handle(body, context)
      if (response instanceof Promise) {
        response.then(
          answer => this.#answer(event, handler, body, context, answer),
          (error: unknown) => this.#fail(event, handler, body, context, error),
        )
      } else {
        this.#answer(event, handler, body, context, response)
      }
    } catch (error) {
      this.#fail(event, handler, body, context, error)
    }
  }

  onConnectionClosed(connectionId: number): void {
    this.#connections.get(connectionId)?.abort()
    this.#connections.delete(connectionId)
  }

  /** Tells waiting requests that the node stops, then resolves when all are settled. */
  async stop(): Promise<void> {
    for (const connection of this.#connections.values()) connection.abort()
    this.#connections.clear()
    if (this.#inFlight === 0) return
    await new Promise<void>(resolve => {
      this.#idle = resolve
    })
  }

  #decode(event: RequestEvent): { handler: ApiHandler; body: never; context: RequestContext } | null {
    const handler = this.#options.handlers.get(event.apiKey)
    if (handler === undefined || !supportsVersion(handler.api, event.apiVersion)) {
      if (event.apiKey === apiVersions.key) {
        // Not even the header is read: it may have changed since.
        return { handler: TOO_NEW_API_VERSIONS, body: undefined as never, context: this.#context(event, '') }
      }
      this.counters.unsupportedRequests += 1
      return null
    }
    try {
      const frame = decodeRequestFrame(event.frame)
      assert(frame.header.apiKey === event.apiKey, 'the event names the api key of its frame')
      const body = decodeRequest(handler.api, event.apiVersion, frame.body) as never
      return { handler, body, context: this.#context(event, frame.header.clientId) }
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.counters.undecodableRequests += 1
      this.#options.logger.debug('undecodable request', {
        api: apiName(event.apiKey),
        version: event.apiVersion,
        error,
      })
      return null
    }
  }

  #context(event: RequestEvent, clientId: string): RequestContext {
    const closedSignal = (): AbortSignal => this.#closedSignal(event.connectionId)
    return {
      apiKey: event.apiKey,
      apiVersion: event.apiVersion,
      correlationId: event.correlationId,
      clientId,
      connectionId: event.connectionId,
      listenerName: this.#options.listenerNames[event.listenerIndex] ?? '',
      clientHost: `/${event.peerHost}`,
      services: this.#options.services,
      get closed(): AbortSignal {
        return closedSignal()
      },
    }
  }

  /** Made only for requests that ask: most never wait. */
  #closedSignal(connectionId: number): AbortSignal {
    let connection = this.#connections.get(connectionId)
    if (connection === undefined) this.#connections.set(connectionId, (connection = new AbortController()))
    return connection.signal
  }

  #answer(
    event: RequestEvent,
    handler: ApiHandler,
    body: never,
    context: RequestContext,
    response: ResponseInput<Api>,
  ): void {
    let payload: Buffer
    try {
      payload = encode(handler.api, event, response)
    } catch (error) {
      return this.#fail(event, handler, body, context, error)
    }
    this.#respond(event, payload)
  }

  #fail(event: RequestEvent, handler: ApiHandler, body: never, context: RequestContext, error: unknown): void {
    const kafkaError = this.#asKafkaError(event, error)
    let payload: Buffer
    try {
      const response =
        handler.failed?.(body, kafkaError, context) ?? topLevelFailure(handler.api, event.apiVersion, kafkaError)
      if (response === null) return this.#closeConnection(event)
      payload = encode(handler.api, event, response)
    } catch (cause) {
      this.#options.logger.error('the error answer cannot be encoded', { api: handler.api.name, error: cause })
      return this.#closeConnection(event)
    }
    this.#respond(event, payload)
  }

  /** An error with a Kafka code is an answer; anything else is our own failure and is logged here, once. */
  #asKafkaError(event: RequestEvent, error: unknown): KafkaError {
    if (error instanceof KafkaError && error.name === 'KafkaError') return error
    this.counters.handlerFailures += 1
    this.#options.logger.error('request failed', { api: apiName(event.apiKey), version: event.apiVersion, error })
    return new KafkaError('UNKNOWN_SERVER_ERROR')
  }

  #respond(event: RequestEvent, payload: Buffer): void {
    this.#options.data.respond(event.token, payload, 0)
    this.#settled()
  }

  #closeConnection(event: RequestEvent): void {
    this.#options.data.closeConnection(event.token)
    this.#settled()
  }

  #settled(): void {
    this.#inFlight -= 1
    assert(this.#inFlight >= 0, 'a request is settled once')
    if (this.#inFlight === 0) this.#idle?.()
  }
}

function encode(api: Api, event: RequestEvent, response: ResponseInput<Api>): Buffer {
  const version = api === TOO_NEW_API_VERSIONS.api && !supportsVersion(api, event.apiVersion) ? 0 : event.apiVersion
  return encodeResponseFrame(api, version, event.correlationId, response)
}

/** The error in the place most APIs have for it; null when this API has none. */
function topLevelFailure(api: Api, version: number, error: KafkaError): ResponseInput<Api> | null {
  const carries = (name: string): boolean => {
    const field = api.response[name]
    if (field === undefined) return false
    return version >= (field.options.since ?? 0) && version <= (field.options.until ?? version)
  }
  if (!carries('errorCode')) return null
  return { errorCode: error.errorCode, ...(carries('errorMessage') ? { errorMessage: error.message } : {}) }
}

/** A client newer than us: its body is not read; the answer has the v0 layout and names the range it may use (KIP-511). */
const TOO_NEW_API_VERSIONS: ApiHandler = {
  api: apiVersions,
  handle: () => ({
    errorCode: ErrorCode.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey: apiVersions.key, minVersion: apiVersions.versions[0], maxVersion: apiVersions.versions[1] }],
  }),
}
