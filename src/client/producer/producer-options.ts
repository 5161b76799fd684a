// Owns the producer's own options, defaults and the rules between them. Never reads a file.
// Invariant: idempotence holds only with acks=all and at most five batches of a partition in flight; asking otherwise is an error.
import type { CompressionName } from '#protocol'
import {
  CLIENT_OPTION_NAMES,
  type ClientOptions,
  checkOptionNames,
  inRange,
  invalidOption,
  positive,
  type ResolvedClientOptions,
  resolveClientOptions,
} from '../client-options.ts'

export type Acks = 0 | 1 | 'all'

/** Names in brackets are Kafka's own for the same setting. */
export interface ProducerOptions extends ClientOptions {
  /** Who must have a record before it counts as sent: nobody, the leader, or all in-sync replicas ('all') [acks]. */
  readonly acks?: Acks
  /** 'none' unless given [compression.type]. */
  readonly compression?: CompressionName
  /** -1 is the codec's own default [compression.*.level]. */
  readonly compressionLevel?: number
  /** How long a batch waits for company, 5 ms; 0 sends at once [linger.ms]. */
  readonly lingerMs?: number
  /** Size at which a batch goes out without waiting, 128 KiB [batch.size]. */
  readonly batchBytes?: number
  /** Most bytes of unsettled records, 32 MiB; beyond it send() waits [buffer.memory]. */
  readonly bufferBytes?: number
  /** Largest request and largest single record, 1 MiB [max.request.size]. */
  readonly requestBytesMax?: number
  /** Longest send() waits for room or for a topic to appear, 60 s [max.block.ms]. */
  readonly maxBlockMs?: number
  /** Longest from send() to its outcome, retries included, 120 s [delivery.timeout.ms]. */
  readonly deliveryTimeoutMs?: number
  /** Requests on the wire to one broker, 5 [max.in.flight.requests.per.connection]. */
  readonly inFlightMax?: number
  /** No duplicates and no gaps from retries; true unless acks or inFlightMax say otherwise [enable.idempotence]. */
  readonly idempotence?: boolean
  /** Whether sending to an unknown topic may create it, where the broker allows it; true unless given. */
  readonly allowAutoTopicCreation?: boolean
}

export interface ResolvedProducerOptions {
  readonly client: ResolvedClientOptions
  readonly acks: -1 | 0 | 1
  readonly compression: CompressionName
  readonly compressionLevel: number
  readonly lingerMs: number
  readonly batchBytes: number
  readonly bufferBytes: number
  readonly requestBytesMax: number
  readonly maxBlockMs: number
  readonly deliveryTimeoutMs: number
  readonly inFlightMax: number
  readonly idempotence: boolean
  readonly allowAutoTopicCreation: boolean
}

/** A broker keeps the last five batches of a producer to recognise duplicates. */
export const IDEMPOTENT_IN_FLIGHT_MAX = 5

const KIB = 1024
const COMPRESSIONS: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const PRODUCER_OPTION_NAMES: readonly (keyof ProducerOptions)[] = [
  ...CLIENT_OPTION_NAMES,
  'acks',
  'compression',
  'compressionLevel',
  'lingerMs',
  'batchBytes',
  'bufferBytes',
  'requestBytesMax',
  'maxBlockMs',
  'deliveryTimeoutMs',
  'inFlightMax',
  'idempotence',
  'allowAutoTopicCreation',
]

export function resolveProducerOptions(options: ProducerOptions): ResolvedProducerOptions {
  checkOptionNames('a producer', options, PRODUCER_OPTION_NAMES)
  const { acks = 'all', compression = 'none' } = options
  if (acks !== 0 && acks !== 1 && acks !== 'all')
    throw invalidOption('acks', `must be 0, 1 or 'all', not ${String(acks)}`)
  if (!COMPRESSIONS.includes(compression))
    throw invalidOption('compression', `must be one of ${COMPRESSIONS.join(', ')}, not '${compression}'`)
  const inFlightMax = inRange('inFlightMax', options.inFlightMax, 5, 1, 1_000)
  const canBeIdempotent = acks === 'all' && inFlightMax <= IDEMPOTENT_IN_FLIGHT_MAX
  if (options.idempotence === true && acks !== 'all')
    throw invalidOption('idempotence', `needs acks: 'all', not ${acks}`)
  if (options.idempotence === true && !canBeIdempotent)
    throw invalidOption('idempotence', `needs inFlightMax of at most ${IDEMPOTENT_IN_FLIGHT_MAX}`)
  const client = resolveClientOptions(options)
  const lingerMs = inRange('lingerMs', options.lingerMs, 5, 0, 3_600_000)
  const deliveryTimeoutMs = positive(
    'deliveryTimeoutMs',
    options.deliveryTimeoutMs,
    Math.max(120_000, lingerMs + client.requestTimeoutMs),
  )
  return {
    client,
    acks: acks === 'all' ? -1 : acks,
    compression,
    compressionLevel: inRange('compressionLevel', options.compressionLevel, -1, -131_072, 22),
    lingerMs,
    batchBytes: positive('batchBytes', options.batchBytes, 128 * KIB),
    bufferBytes: positive('bufferBytes', options.bufferBytes, 32 * KIB * KIB),
    requestBytesMax: positive('requestBytesMax', options.requestBytesMax, KIB * KIB),
    maxBlockMs: positive('maxBlockMs', options.maxBlockMs, 60_000),
    deliveryTimeoutMs,
    inFlightMax,
    idempotence: options.idempotence ?? canBeIdempotent,
    allowAutoTopicCreation: options.allowAutoTopicCreation ?? true,
  }
}
