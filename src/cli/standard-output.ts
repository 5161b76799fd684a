// Owns writing to standard output: at the reader's pace, and quietly when the reader has gone (`| head`).
// Invariant: after the pipe broke nothing more is written, and that alone is no failure.
import { once } from 'node:events'

export class StandardOutput {
  readonly #stream: NodeJS.WriteStream
  readonly #gone = new AbortController()

  constructor(stream: NodeJS.WriteStream = process.stdout) {
    this.#stream = stream
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
      this.#gone.abort()
    })
  }

  /** Aborted when the reader closed its end. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true
  }

  /** https://no-color.org */
  get hasColor(): boolean {
    return this.isTerminal && (process.env['NO_COLOR'] ?? '') === ''
  }

  /** Resolves when there is room for more. */
  async write(bytes: string | Buffer): Promise<void> {
    if (this.#gone.signal.aborted) return
    if (this.#stream.write(bytes)) return
    try {
      await once(this.#stream, 'drain', { signal: this.#gone.signal })
    } catch {
      // The reader is gone: whoever writes learns it from `gone`.
    }
  }

  /** Resolves when what was written has left the process. */
  async flush(): Promise<void> {
    if (this.#gone.signal.aborted) return
    await new Promise<void>(resolve => {
      this.#gone.signal.addEventListener('abort', () => resolve(), { once: true })
      this.#stream.write('', () => resolve())
    })
  }
}
