// Owns a measured server as a child process: start, wait until it says it is ready, stop by its own pid.
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'

/** Servers still running: a bench that fails must not leave them behind. */
const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a server and resolves when its output matches `ready`. Its whole output goes to `logFile`. */
export async function startServer(
  command,
  args,
  { ready, logFile, env, cwd, timeoutMs = 60_000, keepInputOpen = false },
) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: [keepInputOpen ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const sink = createWriteStream(logFile)
  const ended = new Promise(done => child.on('exit', (code, signal) => done(signal ?? code)))
  void ended.then(() => running.delete(child))
  await new Promise((done, fail) => {
    let text = ''
    const timer = setTimeout(
      () => fail(new Error(`${command} was not ready after ${timeoutMs} ms: ${logFile}`)),
      timeoutMs,
    )
    const watch = chunk => {
      sink.write(chunk)
      if (text === undefined) return
      text += chunk
      if (ready.test(text)) {
        text = undefined
        clearTimeout(timer)
        done()
      }
    }
    child.stdout.setEncoding('utf8').on('data', watch)
    child.stderr.setEncoding('utf8').on('data', watch)
    void ended.then(how => fail(new Error(`${command} ended with ${how} before it was ready:\n${text ?? ''}`)))
  })
  return {
    pid: child.pid,
    ended,
    async stop(signal = 'SIGTERM') {
      if (keepInputOpen) child.stdin.end()
      else child.kill(signal)
      await ended
      sink.end()
    },
  }
}

/** Runs a load to its end; resolves with its standard output and error. */
export function runLoad(command, args, { cwd, timeoutMs = 600_000 } = {}) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', chunk => (stdout += chunk))
    child.stderr.setEncoding('utf8').on('data', chunk => (stderr += chunk))
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('error', fail)
    child.on('close', code => {
      clearTimeout(timer)
      if (code === 0) done({ stdout, stderr })
      else
        fail(
          new Error(`${command} ${args.join(' ')} ended with ${code}\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`),
        )
    })
  })
}
