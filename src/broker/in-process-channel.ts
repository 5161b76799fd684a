// Owns the transport to a controller in the same process. Never copies or encodes: requests pass as objects.
// Invariant: after `close` nothing is sent, and what was under way no longer answers.
import type { Controller } from '#controller'
import { type Api, KafkaError, type RequestInput } from '#protocol'
import type { ControllerAnswer, ControllerChannel } from './controller-channel.ts'

export class InProcessChannel implements ControllerChannel {
  readonly #controller: Controller
  #closed = false

  constructor(controller: Controller) {
    this.#controller = controller
  }

  async send<A extends Api>(api: A, version: number, request: RequestInput<A>): Promise<ControllerAnswer<A>> {
    this.#assertOpen()
    const answer = await this.#controller.handle<A>(api.key, version, request)
    this.#assertOpen()
    return answer
  }

  close(): void {
    this.#closed = true
  }

  #assertOpen(): void {
    if (this.#closed) throw new KafkaError('NOT_CONTROLLER', 'the channel to the controller is closed')
  }
}
