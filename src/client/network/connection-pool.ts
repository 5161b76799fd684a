// Owns the connections of one client: at most one for each broker and lane, made on demand, with a pause after a failure.
// Never retries for the caller. Invariant: after close() there is no socket and none is being opened.
import type { ResolvedClientOptions } from '../client-options.ts'
import { backoffMs, RECONNECT_BACKOFF } from './backoff.ts'
import { type BrokerAddress, formatAddress } from './bootstrap-servers.ts'
import { Connection } from './connection.ts'
import { ClientClosedError, type KafkaError } from './kafka-errors.ts'
import { drawUnit, pause } from './waiting.ts'

/** Kafka handles one request of a connection at a time, so what may park there (JoinGroup, long Fetch) gets a lane of its own. */
export type Lane = 'shared' | 'fetch' | 'group'

interface Slot {
  connection: Connection | undefined
  opening: Promise<Connection> | undefined
  failures: number
  retryAtMs: number
}

export class ConnectionPool {
  readonly #options: ResolvedClientOptions
  readonly #slots = new Map<string, Slot>()
  readonly #abort = new AbortController()

  constructor(options: ResolvedClientOptions) {
    this.#options = options
  }

  /** An open connection, without waiting, if there is one. */
  openTo(address: BrokerAddress, lane: Lane): Connection | undefined {
    const connection = this.#slots.get(slotKey(address, lane))?.connection
    return connection?.isOpen ? connection : undefined
  }

  /** The connection to a broker in a lane, opened if need be. Fails as soon as one attempt has failed. */
  connect(address: BrokerAddress, lane: Lane): Promise<Connection> {
    if (this.#abort.signal.aborted) return Promise.reject(new ClientClosedError('client'))
    const key = slotKey(address, lane)
    let slot = this.#slots.get(key)
    if (!slot) this.#slots.set(key, (slot = { connection: undefined, opening: undefined, failures: 0, retryAtMs: 0 }))
    if (slot.connection?.isOpen) return Promise.resolve(slot.connection)
    slot.opening ??= this.#open(address, slot)
    return slot.opening
  }

  close(error: KafkaError): void {
    this.#abort.abort(error)
    for (const slot of this.#slots.values()) slot.connection?.close(error)
    this.#slots.clear()
  }

  async #open(address: BrokerAddress, slot: Slot): Promise<Connection> {
    const { host, clientId, connectTimeoutMs, requestTimeoutMs, responseBytesMax, logger } = this.#options
    const { signal } = this.#abort
    try {
      const waitMs = slot.retryAtMs - host.clock.monotonicMs()
      if (waitMs > 0) await pause(host, waitMs, signal)
      const onClosed = (_closed: Connection, error: KafkaError): void => {
        if (!signal.aborted) logger.debug('connection closed', { broker: formatAddress(address), error })
      }
      const connection = await Connection.open({
        address,
        clientId,
        connectTimeoutMs,
        requestTimeoutMs,
        responseBytesMax,
        host,
        onClosed,
      })
      if (signal.aborted) {
        connection.close(signal.reason as KafkaError)
        throw signal.reason
      }
      slot.connection = connection
      slot.failures = 0
      return connection
    } catch (error) {
      slot.retryAtMs = host.clock.monotonicMs() + backoffMs(RECONNECT_BACKOFF, slot.failures++, drawUnit(host))
      if (!signal.aborted) logger.debug('cannot connect', { broker: formatAddress(address), error })
      throw error
    } finally {
      slot.opening = undefined
    }
  }
}

function slotKey(address: BrokerAddress, lane: Lane): string {
  return `${lane} ${formatAddress(address)}`
}
