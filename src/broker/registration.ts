// Owns this broker's standing with the controller: registered, heartbeating, unfenced, leaving. Never decides any of it.
//
//   new ──register──▶ fenced ──heartbeat says so──▶ unfenced ──leave──▶ leaving ──controller lets go, or time is up──▶ gone
//
// Invariant: a heartbeat carries the epoch of the last registration and the offset this node has really applied.
import type { Host, Timer } from '#host'
import { brokerHeartbeat, brokerRegistration, KafkaError } from '#protocol'
import { registeredFeatures } from './features.ts'
import type { ControllerAnswer, ControllerChannel } from './controller-channel.ts'
import type { AdvertisedListener } from './listeners.ts'

const REGISTRATION_VERSION = 4
const HEARTBEAT_VERSION = 2
/** Between heartbeats of a broker that waits to be let go. */
const LEAVING_INTERVAL_MS = 20

export interface RegistrationOptions {
  readonly channel: ControllerChannel
  readonly host: Host
  readonly nodeId: number
  readonly clusterId: string
  readonly rack: string | null
  readonly directoryIds: readonly string[]
  readonly heartbeatIntervalMs: number
  readonly appliedOffset: () => bigint
}

/** What the controller thinks of this node, and the offset at which the metadata log says so. */
export interface Standing {
  readonly fenced: boolean
  readonly metadataOffset: bigint
}

export class Registration {
  readonly #options: RegistrationOptions
  #brokerEpoch = -1n
  #timer: Timer | undefined
  #ended = false

  constructor(options: RegistrationOptions) {
    this.#options = options
  }

  get brokerEpoch(): bigint {
    return this.#brokerEpoch
  }

  /** Registers under a new incarnation. The epoch is the offset of the record that says so. */
  async register(listeners: readonly AdvertisedListener[]): Promise<bigint> {
    const { channel, host, nodeId, clusterId, rack, directoryIds } = this.#options
    const { response } = await channel.send(brokerRegistration, REGISTRATION_VERSION, {
      brokerId: nodeId,
      clusterId,
      incarnationId: host.entropy.uuid(),
      listeners,
      features: registeredFeatures.map(({ name, minVersion, maxVersion }) => ({
        name,
        minSupportedVersion: minVersion,
        maxSupportedVersion: maxVersion,
      })),
      rack,
      logDirs: directoryIds,
    })
    if (response.errorCode !== 0) throw KafkaError.of(response.errorCode, 'the controller refused the registration')
    this.#brokerEpoch = response.brokerEpoch
    return response.brokerEpoch
  }

  /** One heartbeat now, the next ones by timer until `leave`. */
  async beat(): Promise<Standing> {
    const { response, metadataOffset } = await this.#heartbeat(false)
    this.#schedule()
    return { fenced: response.isFenced, metadataOffset }
  }

  /** Asks to be let go, so that leaders can move; gives up after `timeoutMs`. */
  async leave(timeoutMs: number): Promise<void> {
    const { clock, timers } = this.#options.host
    this.#end()
    const deadlineMs = clock.monotonicMs() + timeoutMs
    while (clock.monotonicMs() < deadlineMs) {
      const { response } = await this.#heartbeat(true)
      if (response.shouldShutDown) return
      await new Promise<void>(resolve => timers.setTimer(LEAVING_INTERVAL_MS, resolve))
    }
  }

  #end(): void {
    this.#ended = true
    this.#timer?.cancel()
  }

  async #heartbeat(wantShutDown: boolean): Promise<ControllerAnswer<typeof brokerHeartbeat>> {
    const { channel, nodeId, appliedOffset } = this.#options
    const answer = await channel.send(brokerHeartbeat, HEARTBEAT_VERSION, {
      brokerId: nodeId,
      brokerEpoch: this.#brokerEpoch,
      currentMetadataOffset: appliedOffset(),
      wantFence: false,
      wantShutDown,
    })
    const { errorCode } = answer.response
    if (errorCode !== 0) throw KafkaError.of(errorCode, 'the controller refused a heartbeat')
    return answer
  }

  #schedule(): void {
    if (this.#ended) return
    this.#timer?.cancel()
    this.#timer = this.#options.host.timers.setTimer(this.#options.heartbeatIntervalMs, () => {
      this.beat().catch((error: unknown) => {
        if (this.#ended) return
        this.#options.host.logger.warn('heartbeat failed', { error })
        this.#schedule()
      })
    })
  }
}
