// Owns errors injected into the system calls of a running process with strace. Never changes what a call did before it was attached.
// The n-th call counts for each thread by itself, as strace has it.
import { type ChildProcess, spawn } from 'node:child_process'

export interface Injection {
  readonly call:
    | 'pwrite64'
    | 'pwritev'
    | 'fdatasync'
    | 'fsync'
    | 'rename'
    | 'open'
    | 'ftruncate'
    | 'fallocate'
    | 'unlink'
    | 'pread64'
    | 'sendfile'
  /** `nothing` is a call that says it did nothing, without an error: a write of 0 bytes. */
  readonly error: 'EIO' | 'ENOSPC' | 'nothing'
  /** `3` is the third call of a thread, `3+` that and all later ones. */
  readonly when: string
  /** Only calls on these files or directories; all when empty. */
  readonly paths?: readonly string[]
}

export class Injector {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#ended = new Promise(done => child.once('close', () => done()))
  }

  /** Resolves when every thread of the process is under it. */
  static async attach(pid: number, { call, error, when, paths = [] }: Injection): Promise<Injector> {
    const only = paths.flatMap(path => ['-P', path])
    const inject = [
      `--trace=${call}`,
      '-e',
      `inject=${call}:${error === 'nothing' ? 'retval=0' : `error=${error}`}:when=${when}`,
    ]
    const child = spawn('strace', ['-f', ...only, ...inject, '-p', String(pid)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const injector = new Injector(child)
    await new Promise<void>((done, fail) => {
      let printed = ''
      child.stderr?.setEncoding('utf8').on('data', chunk => {
        printed += chunk
        if (/attached/.test(printed)) done()
        if (/INJECTED/.test(chunk)) injector.injected += chunk.match(/INJECTED/g)?.length ?? 0
      })
      child.once('close', () => fail(new Error(`strace ended:\n${printed}`)))
    })
    // The line comes for the first thread; the others follow at once.
    await new Promise(done => setTimeout(done, 50))
    return injector
  }

  /** How many calls failed because of it. */
  injected = 0

  async detach(): Promise<void> {
    this.#child.kill('SIGINT')
    await this.#ended
  }
}
