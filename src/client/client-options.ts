// Owns the options every client takes, their defaults and their validation. Never reads a file or the environment.
// Invariant: what comes out is complete and in range; a misspelled option is an error that names the nearest right one.
import { type Host, type Logger, realHost } from '#host'
import { nativeBatchCodec } from '#native'
import type { BatchCodec } from '#protocol'
import type { BackoffLimits } from './network/backoff.ts'
import { type BrokerAddress, parseBootstrapServers } from './network/bootstrap-servers.ts'
import { KafkaError } from './network/kafka-errors.ts'

/** Names in brackets are Kafka's own for the same setting. */
export interface ClientOptions {
  /** `host:port` list, as one string or an array; the port is 9092 unless given [bootstrap.servers]. */
  readonly bootstrapServers: string | readonly string[]
  /** How the broker's logs and quotas name this client; 'millrace' unless given [client.id]. */
  readonly clientId?: string
  /** Longest wait for one answer, 30 s; the connection is closed when it passes [request.timeout.ms]. */
  readonly requestTimeoutMs?: number
  /** Longest a call may take with all its retries, 60 s [default.api.timeout.ms]. */
  readonly apiTimeoutMs?: number
  /** How long a client that never reached a broker keeps trying before it says so, 60 s; 0 tries each address once. */
  readonly bootstrapTimeoutMs?: number
  /** Longest wait for a TCP connection, 10 s [socket.connection.setup.timeout.ms]. */
  readonly connectTimeoutMs?: number
  /** First pause before a retry, 100 ms, doubling with jitter [retry.backoff.ms]. */
  readonly retryBackoffMs?: number
  /** Longest pause before a retry, 1 s [retry.backoff.max.ms]. */
  readonly retryBackoffMaxMs?: number
  /** Age at which the picture of the cluster is refreshed without need, 5 min [metadata.max.age.ms]. */
  readonly metadataMaxAgeMs?: number
  /** Largest response accepted, 256 MiB; a larger one closes the connection. */
  readonly responseBytesMax?: number
  /** Where the client logs; nowhere unless given. */
  readonly logger?: Logger
  /** Clock, timers and randomness; the real ones unless a test says otherwise. */
  readonly host?: Host
  /** Checksums and compression; the native core's unless a test says otherwise. */
  readonly codec?: BatchCodec
}

export interface ResolvedClientOptions {
  readonly bootstrap: readonly BrokerAddress[]
  readonly clientId: string
  readonly requestTimeoutMs: number
  readonly apiTimeoutMs: number
  readonly bootstrapTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly retryBackoff: BackoffLimits
  readonly metadataMaxAgeMs: number
  readonly responseBytesMax: number
  readonly logger: Logger
  readonly host: Host
  readonly codec: BatchCodec
}

export const CLIENT_OPTION_NAMES: readonly (keyof ClientOptions)[] = [
  'bootstrapServers',
  'clientId',
  'requestTimeoutMs',
  'apiTimeoutMs',
  'bootstrapTimeoutMs',
  'connectTimeoutMs',
  'retryBackoffMs',
  'retryBackoffMaxMs',
  'metadataMaxAgeMs',
  'responseBytesMax',
  'logger',
  'host',
  'codec',
]

const CLIENT_ID_BYTES_MAX = 32_767

export function resolveClientOptions(options: ClientOptions): ResolvedClientOptions {
  const host = options.host ?? realHost({ level: 'silent' })
  const clientId = options.clientId ?? 'millrace'
  if (Buffer.byteLength(clientId) > CLIENT_ID_BYTES_MAX) throw invalidOption('clientId', 'is too long')
  if (options.bootstrapServers === undefined)
    throw invalidOption('bootstrapServers', 'is required, such as 127.0.0.1:9092')
  const initialMs = positive('retryBackoffMs', options.retryBackoffMs, 100)
  return {
    bootstrap: parseBootstrapServers(options.bootstrapServers),
    clientId,
    requestTimeoutMs: positive('requestTimeoutMs', options.requestTimeoutMs, 30_000),
    apiTimeoutMs: positive('apiTimeoutMs', options.apiTimeoutMs, 60_000),
    bootstrapTimeoutMs: inRange('bootstrapTimeoutMs', options.bootstrapTimeoutMs, 60_000, 0, Number.MAX_SAFE_INTEGER),
    connectTimeoutMs: positive('connectTimeoutMs', options.connectTimeoutMs, 10_000),
    retryBackoff: {
      initialMs,
      maxMs: Math.max(initialMs, positive('retryBackoffMaxMs', options.retryBackoffMaxMs, 1_000)),
    },
    metadataMaxAgeMs: positive('metadataMaxAgeMs', options.metadataMaxAgeMs, 300_000),
    responseBytesMax: positive('responseBytesMax', options.responseBytesMax, 256 * 1024 * 1024),
    logger: options.logger ?? host.logger,
    host,
    codec: options.codec ?? nativeBatchCodec,
  }
}

/** Refuses option names that mean nothing: a silently ignored `linger` costs an afternoon. */
export function checkOptionNames(what: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const nearest = nearestName(name, known)
    throw new KafkaError(
      'INVALID_CONFIG',
      `${what} has no option '${name}'${nearest === null ? '' : `; did you mean '${nearest}'?`}`,
    )
  }
}

export function positive(name: string, value: number | undefined, fallback: number): number {
  return inRange(name, value, fallback, 1, Number.MAX_SAFE_INTEGER)
}

export function inRange(name: string, value: number | undefined, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback
  if (!Number.isFinite(value) || value < min || value > max)
    throw invalidOption(name, `must be a number from ${min} to ${max}, not ${value}`)
  return value
}

export function invalidOption(name: string, detail: string): KafkaError {
  return new KafkaError('INVALID_CONFIG', `option '${name}' ${detail}`)
}

function nearestName(name: string, known: readonly string[]): string | null {
  let nearest: string | null = null
  let nearestDistance = Math.max(3, Math.ceil(name.length / 2))
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < nearestDistance) [nearest, nearestDistance] = [candidate, distance]
  }
  return nearest
}

function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const replace = (previous[column - 1] as number) + (from[row - 1] === to[column - 1] ? 0 : 1)
      current.push(Math.min(replace, (previous[column] as number) + 1, (current[column - 1] as number) + 1))
    }
    previous = current
  }
  return previous[to.length] as number
}
