// Owns what Ctrl-C and a polite kill mean to a client command: finish what is under way, within moments, then end.
// A second signal ends the process at once. Invariant: end() leaves no handler behind.

const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const
const SIGNAL_STATUS = 128

export class Interruption {
  readonly #abort = new AbortController()
  readonly #handlers: readonly (readonly [name: keyof typeof SIGNALS, handler: () => void])[]
  #status: number | undefined

  constructor() {
    this.#handlers = (Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]).map(
      name => [name, () => this.#on(name)] as const,
    )
    for (const [name, handler] of this.#handlers) process.on(name, handler)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** 128 + the signal's number, as a shell reports a process that died of it; undefined when there was none. */
  get status(): number | undefined {
    return this.#status
  }

  end(): void {
    for (const [name, handler] of this.#handlers) process.removeListener(name, handler)
  }

  #on(name: keyof typeof SIGNALS): void {
    const status = SIGNAL_STATUS + SIGNALS[name]
    if (this.#status !== undefined) process.exit(status)
    this.#status = status
    this.#abort.abort()
  }
}
