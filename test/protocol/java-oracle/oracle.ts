// Owns the Java process: sends commands, matches answers in order. The wire between the two is described in Oracle.java.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'

export type OracleMode = 'p' | 'm' | 'v' | 't' | 'd' | 'b' | 'r' | 'i'

export interface OracleCommand {
  readonly mode: OracleMode
  readonly name?: string
  readonly version?: number
  readonly bytes?: Buffer
  readonly json?: string
}

export interface OracleAnswer {
  readonly good: boolean
  readonly text: string
  readonly reencoded: Buffer
  readonly fromJson: Buffer
}

const NOTHING = Buffer.alloc(0)

export class Oracle {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>
  private readonly waiting: ((answer: OracleAnswer) => void)[] = []
  private readonly failed: ((error: Error) => void)[] = []
  private chunks: Buffer[] = []
  private received = 0

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.child = child
    child.stdout.on('data', (chunk: Buffer) => this.receive(chunk))
    child.on('exit', code => {
      for (const fail of this.failed.splice(0)) fail(new Error(`the Java oracle ended with ${code}`))
    })
  }

  static async start(): Promise<Oracle> {
    const build = (await import(new URL('oracle-build.mjs', import.meta.url).href)) as {
      oracleClassPath(): Promise<string>
    }
    const classPath = await build.oracleClassPath()
    const args = ['-XX:TieredStopAtLevel=1', '-Xmx512m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
    return new Oracle(spawn('java', [...args, '-cp', classPath, 'Oracle'], { stdio: ['pipe', 'pipe', 'inherit'] }))
  }

  ask(command: OracleCommand): Promise<OracleAnswer> {
    const name = Buffer.from(command.name ?? '')
    const json = Buffer.from(command.json ?? '')
    const bytes = command.bytes ?? NOTHING
    const frame = Buffer.alloc(4 + 1 + 2 + name.length + 2 + 4 + bytes.length + 4 + json.length)
    frame.writeUInt32BE(frame.length - 4, 0)
    let at = frame.write(command.mode, 4, 'latin1') + 4
    at = frame.writeUInt16BE(name.length, at)
    at += name.copy(frame, at)
    at = frame.writeInt16BE(command.version ?? 0, at)
    at = frame.writeUInt32BE(bytes.length, at)
    at += bytes.copy(frame, at)
    at = frame.writeUInt32BE(json.length, at)
    json.copy(frame, at)
    this.child.stdin.write(frame)
    return new Promise((resolve, reject) => {
      this.waiting.push(resolve)
      this.failed.push(reject)
    })
  }

  /** Text of an answer that must be good. */
  async text(command: OracleCommand): Promise<string> {
    const answer = await this.ask(command)
    if (!answer.good) throw new Error(answer.text)
    return answer.text
  }

  async stop(): Promise<void> {
    const ended = new Promise<void>(resolve => this.child.once('exit', () => resolve()))
    this.child.stdin.end()
    await ended
  }

  private receive(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.received += chunk.length
    if (this.received < 13) return
    let buffer = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks)
    for (;;) {
      const parsed = readAnswer(buffer)
      if (parsed === undefined) break
      buffer = buffer.subarray(parsed.size)
      this.failed.shift()
      this.waiting.shift()?.(parsed.answer)
    }
    this.chunks = [buffer]
    this.received = buffer.length
  }
}

function readAnswer(buffer: Buffer): { answer: OracleAnswer; size: number } | undefined {
  const parts: Buffer[] = []
  let at = 1
  for (let index = 0; index < 3; index += 1) {
    if (buffer.length < at + 4) return undefined
    const length = buffer.readUInt32BE(at)
    at += 4
    if (buffer.length < at + length) return undefined
    parts.push(buffer.subarray(at, at + length))
    at += length
  }
  const [text, reencoded, fromJson] = parts as [Buffer, Buffer, Buffer]
  return { answer: { good: buffer[0] === 1, text: text.toString('utf8'), reencoded, fromJson }, size: at }
}
