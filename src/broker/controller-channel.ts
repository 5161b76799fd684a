// Owns the one interface through which the broker half reaches the controller. Never carries anything but Kafka requests.
// Invariant: nothing in src/broker reaches around it; a controller in another process is another transport, not other code.
import type { Api, RequestInput, ResponseOf } from '#protocol'

/** Who asked, when the broker passes on a client's request (what Kafka puts into an Envelope). */
export interface ForwardContext {
  readonly clientId: string
  readonly clientHost: string
  readonly listenerName: string
}

export interface ControllerAnswer<A extends Api> {
  readonly response: ResponseOf<A>
  /** The broker has seen everything this answer rests on once its image has reached this offset of the metadata log. */
  readonly metadataOffset: bigint
}

export interface ControllerChannel {
  send<A extends Api>(
    api: A,
    version: number,
    request: RequestInput<A>,
    context?: ForwardContext,
  ): Promise<ControllerAnswer<A>>
  close(): void
}
