// Owns a connection that speaks raw frames: what a scenario sends is what goes out, well-formed or not.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type Api, decodeResponseFrame, encodeRequestFrame, type RequestInput, type ResponseOf } from '#protocol'

interface Waiter {
  readonly resolve: (frame: Buffer | null) => void
}

export class WireClient {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  readonly #frames: Buffer[] = []
  readonly #waiters: Waiter[] = []
  #ended = false
  #correlationId = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#take(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#ended = true
      for (const waiter of this.#waiters.splice(0)) waiter.resolve(null)
    })
  }

  static async open(port: number): Promise<WireClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new WireClient(socket)
  }

  /** Sends one request and decodes its answer. Fails when the broker closes the connection instead. */
  async send<A extends Api>(api: A, version: number, request: RequestInput<A>): Promise<ResponseOf<A>> {
    this.#correlationId += 1
    this.sendFrame(encodeRequestFrame(api, version, { correlationId: this.#correlationId, clientId: 'wire' }, request))
    const frame = await this.nextFrame()
    if (frame === null) throw new Error(`the broker closed the connection on ${api.name} v${version}`)
    const { correlationId, response } = decodeResponseFrame(api, version, frame)
    if (correlationId !== this.#correlationId) throw new Error(`answer ${correlationId} to ${this.#correlationId}`)
    return response
  }

  /** Sends a frame behind its size. */
  sendFrame(frame: Buffer): void {
    const size = Buffer.alloc(4)
    size.writeInt32BE(frame.length)
    this.sendBytes(Buffer.concat([size, frame]))
  }

  sendBytes(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** The next whole frame without its size; null when the connection ends first. */
  nextFrame(): Promise<Buffer | null> {
    const frame = this.#frames.shift()
    if (frame !== undefined) return Promise.resolve(frame)
    if (this.#ended) return Promise.resolve(null)
    return new Promise(resolve => this.#waiters.push({ resolve }))
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk])
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readInt32BE(0)
      if (this.#received.length < end) return
      const frame = this.#received.subarray(4, end)
      this.#received = this.#received.subarray(end)
      const waiter = this.#waiters.shift()
      if (waiter === undefined) this.#frames.push(frame)
      else waiter.resolve(frame)
    }
  }
}
