// Owns the state of the disk before a run: what earlier runs wrote has reached it, so that the next run does not pay for their write-back.
import { execFileSync } from 'node:child_process'

export function settleDisk() {
  execFileSync('sync')
}
