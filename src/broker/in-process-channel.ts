// Owns the transport to a controller in the same process. Never copies or encodes: requests pass as objects.
// Invariant: after `close` nothing is sent, and what was under way fails at once instead of waiting for its answer.
import type { Controller } from '#controller'
import { type Api, KafkaError, type RequestInput } from '#protocol'
import type { ControllerAnswer, ControllerChannel } from './controller-channel.ts'

export class InProcessChannel implements ControllerChannel {
  readonly #controller: Controller
  /** Fails a request that waits, a long poll of the metadata log above all. */
  readonly #waiting = new Set<(error: Error) => void>()
  #closed = false

  constructor(controller: Controller) {
    this.#controller = controller
  }

  send<A extends Api>(api: A, version: number, request: RequestInput<A>): Promise<ControllerAnswer<A>> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed())
      this.#waiting.add(reject)
      this.#controller
        .handle<A>(api.key, version, request)
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject))
    })
  }

  close(): void {
    this.#closed = true
    for (const reject of this.#waiting) reject(closed())
    this.#waiting.clear()
  }
}

function closed(): KafkaError {
  return new KafkaError('NOT_CONTROLLER', 'the channel to the controller is closed')
}
