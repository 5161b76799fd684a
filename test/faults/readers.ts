// Owns a foreign reader that follows a topic through every outage and notes what it was shown: none of it may be taken back.
import { spawn } from 'node:child_process'
import { kcatPath } from '../clients/toolbox/kcat.mjs'
import { type Acknowledged, closed, linesOf, type Target } from './producers.ts'

export interface Follower {
  readonly shown: readonly Acknowledged[]
  stop(): Promise<void>
}

export async function follow({ bootstrap, topic }: Target): Promise<Follower> {
  const shown: Acknowledged[] = []
  const args = ['-b', bootstrap, '-q', '-u', '-C', '-t', topic, '-o', 'beginning', '-f', '%p %o %s\n']
  const child = spawn(await kcatPath(), args, { stdio: ['ignore', 'pipe', 'ignore'] })
  linesOf(child, line => {
    const [partition, offset, value = ''] = line.split(' ')
    shown.push({ partition: Number(partition), offset: Number(offset), value })
  })
  const over = closed(child)
  return {
    shown,
    async stop() {
      child.kill('SIGKILL')
      await over
    },
  }
}
