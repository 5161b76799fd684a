// Owns the order in which the parts of a process stop: the last opened closes first, and no promise is left without an owner.
// Invariant: close() runs every closer once, also when one of them fails, and settles only when all of them have.
import type { Logger } from './logger.ts'

export class Shutdown {
  readonly #logger: Logger
  readonly #abort = new AbortController()
  readonly #closers: { readonly name: string; readonly close: () => void | Promise<void> }[] = []
  readonly #running = new Set<Promise<void>>()
  #closing: Promise<void> | undefined

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Aborted as the first step of close(): long waits listen to it. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Runs `close` at shutdown, before everything registered earlier. */
  onClose(name: string, close: () => void | Promise<void>): void {
    this.#closers.push({ name, close })
  }

  /** Takes over a promise nobody awaits: a failure is logged here, and close() waits for it. */
  track(name: string, work: Promise<unknown>): void {
    const tracked: Promise<void> = work
      .then(
        () => {},
        (error: unknown) => this.#logger.error(`${name} failed`, { error }),
      )
      .finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#abort.abort()
    for (const { name, close } of this.#closers.reverse()) {
      try {
        await close()
      } catch (error) {
        this.#logger.error(`closing ${name} failed`, { error })
      }
    }
    await Promise.all(this.#running)
  }
}
