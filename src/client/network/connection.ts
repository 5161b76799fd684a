// Owns one TCP connection to one broker: frames, correlation ids, answers in order, timeouts. Never retries and never picks a broker.
// Invariant: every request is settled exactly once: by its answer, or by the error that closed the connection.
//
//   connecting → negotiating   TCP is up: ApiVersions goes out
//   negotiating → open         the broker's versions are known
//   any → closed               close(), a socket error, a timeout, or bytes that make no sense
import { connect as connectSocket, type Socket } from 'node:net'
import { assert, type Host } from '#host'
import {
  type Api,
  apiVersions,
  decodeResponseFrame,
  encodeRequestFrame,
  KafkaError,
  type RequestInput,
  type ResponseOf,
} from '#protocol'
import { ApiVersionTable, type VersionBounds } from './api-versions.ts'
import { type BrokerAddress, formatAddress } from './bootstrap-servers.ts'
import { FrameCutter } from './frame-cutter.ts'
import { ConnectionError, ErrorCode, kafkaErrorOf, timedOut } from './kafka-errors.ts'
import { SOFTWARE_NAME, softwareVersion } from './software.ts'

export interface ConnectionOptions {
  readonly address: BrokerAddress
  readonly clientId: string
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly responseBytesMax: number
  readonly host: Pick<Host, 'clock' | 'timers'>
  /** Called once when an open connection closes, whoever closed it. */
  readonly onClosed: (connection: Connection, error: KafkaError) => void
}

export interface SendOptions {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly versions?: VersionBounds
}

/** Kafka's own broker refuses a frame above 100 MiB; a bug of ours should be found here. */
export const REQUEST_BYTES_MAX = 100 * 1024 * 1024
/** At the limit `send` fails: whoever sends more without waiting for an answer has lost count. */
export const IN_FLIGHT_MAX = 1_000

const SIZE_BYTES = 4
/** Below this, one copy into one buffer beats two writes. */
const COPY_BYTES_MAX = 16 * 1024

interface InFlight {
  readonly correlationId: number
  readonly api: Api
  readonly version: number
  readonly deadlineMs: number
  readonly timeoutMs: number
  resolve(response: unknown): void
  reject(error: unknown): void
}

export class Connection {
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  readonly #cutter: FrameCutter
  /** In the order sent, which is the order of the answers. */
  readonly #inFlight: InFlight[] = []
  #correlationId = 0
  #versions: ApiVersionTable | undefined
  #closedBy: KafkaError | undefined
  #timer: { cancel(): void } | undefined
  #timerAtMs = Number.POSITIVE_INFINITY
  #lastUsedMs = 0

  /** Connects and learns the broker's versions. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const socket = await openSocket(options)
    const connection = new Connection(options, socket)
    try {
      await connection.#negotiate()
      return connection
    } catch (error) {
      const cause = error instanceof KafkaError ? error : new ConnectionError(options.address, String(error), error)
      connection.close(cause)
      throw cause
    }
  }

  private constructor(options: ConnectionOptions, socket: Socket) {
    this.#options = options
    this.#socket = socket
    this.#cutter = new FrameCutter(options.responseBytesMax)
    this.#lastUsedMs = options.host.clock.monotonicMs()
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('error', error => this.close(new ConnectionError(options.address, error.message, error)))
    socket.on('close', () => this.close(new ConnectionError(options.address, 'the broker closed the connection')))
  }

  get address(): BrokerAddress {
    return this.#options.address
  }

  get isOpen(): boolean {
    return this.#closedBy === undefined
  }

  get inFlight(): number {
    return this.#inFlight.length
  }

  get lastUsedMs(): number {
    return this.#lastUsedMs
  }

  get versions(): ApiVersionTable {
    assert(this.#versions !== undefined, 'a connection is handed out only after it has negotiated')
    return this.#versions
  }

  /** Sends a request and waits for its answer. An abort stops the wait; the answer, when it comes, is dropped. */
  async send<A extends Api>(api: A, request: RequestInput<A>, options: SendOptions = {}): Promise<ResponseOf<A>> {
    options.signal?.throwIfAborted()
    const version = this.versions.pick(api, options.versions)
    return this.#exchange(api, version, request, options)
  }

  /** Sends a request that gets no answer (Produce with acks=0). Settles when the bytes are handed to the kernel. */
  async sendUnanswered<A extends Api>(api: A, request: RequestInput<A>, bounds?: VersionBounds): Promise<void> {
    const version = this.versions.pick(api, bounds)
    const frame = this.#encode(api, version, this.#nextCorrelationId(), request)
    await new Promise<void>((resolve, reject) => {
      this.#write(frame, error =>
        error ? reject(this.#closedBy ?? new ConnectionError(this.address, error.message, error)) : resolve(),
      )
    })
  }

  /** Fails what is in flight with `error` and frees the socket. Idempotent. */
  close(error: KafkaError): void {
    if (this.#closedBy) return
    this.#closedBy = error
    this.#timer?.cancel()
    this.#socket.destroy()
    for (const request of this.#inFlight.splice(0)) request.reject(error)
    if (this.#versions) this.#options.onClosed(this, error)
  }

  async #negotiate(): Promise<void> {
    const request = { clientSoftwareName: SOFTWARE_NAME, clientSoftwareVersion: softwareVersion() }
    const options = { timeoutMs: Math.min(this.#options.requestTimeoutMs, this.#options.connectTimeoutMs) }
    let answer = await this.#exchange(apiVersions, apiVersions.versions[1], request, options)
    if (answer.errorCode === ErrorCode.UNSUPPORTED_VERSION) {
      // A broker older than our ApiVersions answers in layout 0 and, if it is kind, with the range it knows (KIP-511).
      const theirs = answer.apiKeys.find(entry => entry.apiKey === apiVersions.key)?.maxVersion ?? 0
      answer = await this.#exchange(apiVersions, Math.min(theirs, apiVersions.versions[1]), request, options)
    }
    const address = formatAddress(this.address)
    if (answer.errorCode !== ErrorCode.NONE) throw kafkaErrorOf(answer.errorCode, `ApiVersions of ${address}`)
    this.#versions = new ApiVersionTable(address, answer.apiKeys)
  }

  #exchange<A extends Api>(
    api: A,
    version: number,
    request: RequestInput<A>,
    options: SendOptions,
  ): Promise<ResponseOf<A>> {
    return new Promise<ResponseOf<A>>((resolve, reject) => {
      if (this.#closedBy) throw this.#closedBy
      if (this.#inFlight.length >= IN_FLIGHT_MAX) {
        throw new KafkaError(
          'INVALID_REQUEST',
          `more than ${IN_FLIGHT_MAX} requests wait for an answer of ${formatAddress(this.address)}`,
        )
      }
      const correlationId = this.#nextCorrelationId()
      const frame = this.#encode(api, version, correlationId, request)
      const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs
      const { signal } = options
      const onAbort = (): void => reject(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      const inFlight: InFlight = {
        correlationId,
        api,
        version,
        timeoutMs,
        deadlineMs: this.#options.host.clock.monotonicMs() + timeoutMs,
        resolve: response => {
          signal?.removeEventListener('abort', onAbort)
          resolve(response as ResponseOf<A>)
        },
        reject: error => {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      this.#inFlight.push(inFlight)
      this.#armTimer(inFlight.deadlineMs)
      this.#write(frame)
    })
  }

  #encode<A extends Api>(api: A, version: number, correlationId: number, request: RequestInput<A>): Buffer {
    const frame = encodeRequestFrame(api, version, { correlationId, clientId: this.#options.clientId }, request)
    if (frame.length > REQUEST_BYTES_MAX) {
      throw new KafkaError(
        'RECORD_LIST_TOO_LARGE',
        `${api.name} of ${frame.length} bytes is above the limit of ${REQUEST_BYTES_MAX}`,
      )
    }
    return frame
  }

  #write(frame: Buffer, onWritten?: (error?: Error | null) => void): void {
    if (this.#closedBy) throw this.#closedBy
    this.#lastUsedMs = this.#options.host.clock.monotonicMs()
    if (frame.length <= COPY_BYTES_MAX) {
      const sized = Buffer.allocUnsafe(SIZE_BYTES + frame.length)
      sized.writeInt32BE(frame.length)
      frame.copy(sized, SIZE_BYTES)
      this.#socket.write(sized, onWritten)
      return
    }
    const size = Buffer.allocUnsafe(SIZE_BYTES)
    size.writeInt32BE(frame.length)
    this.#socket.cork()
    this.#socket.write(size)
    this.#socket.write(frame, onWritten)
    this.#socket.uncork()
  }

  #receive(chunk: Buffer): void {
    try {
      this.#cutter.push(chunk, body => this.#answer(body))
    } catch (error) {
      const detail = `bytes that are no answer: ${error instanceof Error ? error.message : String(error)}`
      this.close(new ConnectionError(this.address, detail, error))
    }
  }

  #answer(body: Buffer): void {
    if (this.#closedBy) return
    const request = this.#inFlight[0]
    const correlationId = body.readInt32BE(0)
    if (request === undefined || request.correlationId !== correlationId) {
      throw new KafkaError(
        'CORRUPT_MESSAGE',
        `answer ${correlationId} where ${request?.correlationId ?? 'none'} was due`,
      )
    }
    const { response } = decodeResponseFrame(request.api, request.version, body)
    this.#inFlight.shift()
    request.resolve(response)
  }

  /** Correlation ids wrap into 0..2^31-1. */
  #nextCorrelationId(): number {
    const correlationId = this.#correlationId
    this.#correlationId = (correlationId + 1) & 0x7fffffff
    return correlationId
  }

  /** One timer serves all requests: it fires at the earliest deadline known when it was set, and looks again. */
  #armTimer(atMs: number): void {
    if (this.#timerAtMs <= atMs) return
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    const delayMs = atMs - this.#options.host.clock.monotonicMs()
    this.#timer = this.#options.host.timers.setTimer(delayMs, () => this.#checkTimeouts())
  }

  #checkTimeouts(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const nowMs = this.#options.host.clock.monotonicMs()
    const late = this.#inFlight.find(request => request.deadlineMs <= nowMs)
    if (late) {
      // Answers come in order, so nothing behind a lost one can be matched any more: the connection goes.
      return this.close(timedOut(`${late.api.name} at ${formatAddress(this.address)}`, late.timeoutMs))
    }
    if (this.#inFlight.length > 0) this.#armTimer(Math.min(...this.#inFlight.map(request => request.deadlineMs)))
  }
}

function openSocket(options: ConnectionOptions): Promise<Socket> {
  const { address, connectTimeoutMs, host } = options
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: address.host, port: address.port, noDelay: true, keepAlive: true })
    const timer = host.timers.setTimer(connectTimeoutMs, () =>
      fail(new ConnectionError(address, `no connection within ${connectTimeoutMs} ms`)),
    )
    const fail = (error: KafkaError): void => {
      timer.cancel()
      socket.destroy()
      reject(error)
    }
    const onError = (error: Error): void => fail(new ConnectionError(address, describeSocketError(error), error))
    socket.once('error', onError)
    socket.once('connect', () => {
      timer.cancel()
      socket.removeListener('error', onError)
      resolve(socket)
    })
  })
}

/** A name with several addresses fails with one error for each; their messages say more than "AggregateError". */
function describeSocketError(error: Error): string {
  const inner = error instanceof AggregateError ? error.errors : [error]
  const codes = new Set(inner.map(each => (each as NodeJS.ErrnoException).code ?? String(each)))
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connection refused',
    ENOTFOUND: 'unknown host',
    EAI_AGAIN: 'the name cannot be resolved at the moment',
    ETIMEDOUT: 'no answer from the host',
    EHOSTUNREACH: 'the host cannot be reached',
    ECONNRESET: 'connection reset',
  }
  return [...codes].map(code => words[code] ?? code).join(', ')
}
