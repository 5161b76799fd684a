// Owns a foreign reader that follows a partition through every outage and notes what it was shown: none of it may be taken back.
import { type ChildProcess, spawn } from 'node:child_process'
import { kcatPath } from '../clients/toolbox/kcat.mjs'
import { type Acknowledged, closed, linesOf, pause, type Target } from './producers.ts'

export interface Follower {
  readonly topic: string
  readonly shown: readonly Acknowledged[]
  stop(): Promise<void>
}

/** kcat ends when the broker goes: then it is started again behind what it was shown. */
export async function follow(target: Target & { partition: number; from?: number }): Promise<Follower> {
  const { bootstrap, topic, partition, from = 0 } = target
  const shown: Acknowledged[] = []
  const path = await kcatPath()
  let child: ChildProcess | undefined
  let running = true
  const work = (async () => {
    while (running) {
      const next = String((shown.at(-1)?.offset ?? from - 1) + 1)
      const where = ['-t', topic, '-p', String(partition), '-o', next, '-X', 'fetch.wait.max.ms=50']
      const args = ['-b', bootstrap, '-q', '-u', '-C', ...where, '-f', '%o %s\n']
      child = spawn(path, args, { stdio: ['ignore', 'pipe', 'ignore'] })
      linesOf(child, line => {
        const [offset, value = ''] = line.split(' ')
        shown.push({ partition, offset: Number(offset), value })
      })
      await closed(child)
      await pause(50)
    }
  })()
  return {
    topic,
    shown,
    async stop() {
      running = false
      child?.kill('SIGKILL')
      await work
    },
  }
}
