// Owns the work of `millrace log repair`. Never touches a file by itself: the core does, one partition a call, and keeps what it cuts off.
import { join } from 'node:path'
import { type Repaired, repairPartition } from '#native'
import { CommandFailure, ExitCode } from './exit-codes.ts'
import type { LogRepairFlags } from './log-routes.ts'
import { logTarget, shown } from './log-targets.ts'
import { inspected, isWrong, line, question, rows } from './log-verify.ts'
import { StandardOutput } from './standard-output.ts'

/** `index.interval.bytes` of Kafka: how dense an index is built anew. */
const INDEX_INTERVAL_BYTES = 4096

export async function repairLogs(flags: LogRepairFlags, ...paths: string[]): Promise<void> {
  const output = new StandardOutput()
  const targets = paths.map(path => ({ path, target: logTarget(path, flags.compacted) }))
  const file = targets.find(({ target }) => target.kind === 'file')
  if (file)
    throw new CommandFailure(ExitCode.USAGE, `${file.path} is a file: name the partition's directory it lies in`)
  const done: { readonly directory: string; readonly repaired: Repaired }[] = []
  for (const partition of targets.flatMap(({ target }) => target.partitions)) {
    const { directory, logDirectory } = partition
    const wish = {
      ...question(partition),
      truncate: flags.truncate,
      indexIntervalBytes: INDEX_INTERVAL_BYTES,
      // A log by itself, as `openLog` makes it, has its lock inside.
      lock: join(logDirectory ?? directory, '.lock'),
    }
    done.push({ directory, repaired: inspected(() => repairPartition(wish)) })
  }
  const touched = done.filter(({ repaired }) => repaired.before.findings.some(isWrong))
  const left = touched.flatMap(({ directory, repaired: { before, after } }) =>
    (after ?? before).findings.filter(isWrong).map(finding => ({ directory, finding })),
  )
  if (flags.json) {
    const partitions = touched.map(({ directory, repaired: { before, after, backups, cutBytes } }) => ({
      directory,
      before: rows({ directory, findings: before.findings }),
      after: after === undefined ? null : rows({ directory, findings: after.findings }),
      backups,
      cutBytes,
      endOffset: (after ?? before).endOffset,
    }))
    await output.write(`${JSON.stringify({ partitions, wrong: left.length })}\n`)
  } else {
    for (const { directory, repaired } of touched) await output.write(summary(directory, repaired))
    for (const { directory, finding } of left) await output.write(line(directory, finding))
    if (touched.length === 0) await output.write('nothing to repair\n')
  }
  await output.flush()
  if (left.length === 0) return
  const advice = flags.truncate
    ? ''
    : '; --truncate cuts a damaged log before its first damage, and keeps what it cuts off'
  throw new CommandFailure(ExitCode.DAMAGED, `${left.length} still wrong${advice}`)
}

function summary(directory: string, { before, after, backups, cutBytes }: Repaired): string {
  const where = shown(directory)
  const wrong = before.findings.filter(isWrong).length
  if (after === undefined) return `left\t${where}\t${wrong} wrong, nothing changed\n`
  const cut = cutBytes === 0 ? '' : `, ${cutBytes} bytes cut off and kept in ${backups.join(', ')}`
  return `repaired\t${where}\t${wrong} wrong before, ends at offset ${after.endOffset}${cut}\n`
}
