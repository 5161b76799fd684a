// Owns the one handle by which an open client keeps its process alive while it has no socket: during a reconnect, a backoff, a linger.
// Host timers never do, so without it a pending call would end with the process. Invariant: released by close(), whatever else fails.
const PERIOD_MS = 2 ** 30

export class KeepAlive {
  #handle: NodeJS.Timeout | undefined

  hold(): void {
    this.#handle ??= setInterval(() => {}, PERIOD_MS)
  }

  release(): void {
    clearInterval(this.#handle)
    this.#handle = undefined
  }
}
