// Owns the work of `millrace log verify`. Never judges by itself: the core reads and compares, one partition a call.
import { basename, join } from 'node:path'
import {
  type Finding,
  NativeError,
  type PartitionEnds,
  type Verified,
  verifyDirectoryFiles,
  verifyPartition,
} from '#native'
import { CommandFailure, ExitCode } from './exit-codes.ts'
import type { LogVerifyFlags } from './log-routes.ts'
import { type LogTarget, logTarget, type PartitionTarget, shown } from './log-targets.ts'
import { StandardOutput } from './standard-output.ts'

/** What is told of one place. */
export interface Told {
  readonly directory: string
  readonly findings: readonly Finding[]
}

export async function verifyLogs(flags: LogVerifyFlags, ...paths: string[]): Promise<void> {
  const output = new StandardOutput()
  const targets = paths.map(path => logTarget(path, flags.compacted))
  const totals = { partitions: 0, segments: 0, batches: 0, records: 0, bytes: 0 }
  const told: Told[] = []
  for (const target of targets) {
    const ends: PartitionEnds[] = []
    for (const partition of target.partitions) {
      const verified = inspected(() => verifyPartition(question(partition)))
      const { topic, partition: index } = partition
      ends.push({ topic, partition: index, startOffset: verified.startOffset, endOffset: verified.endOffset })
      totals.partitions++
      for (const name of ['segments', 'batches', 'records', 'bytes'] as const) totals[name] += verified[name]
      told.push({ directory: partition.directory, findings: findingsOf(target, verified) })
    }
    if (target.kind === 'log directory') {
      told.push({ directory: target.path, findings: inspected(() => verifyDirectoryFiles(target.path, ends)).findings })
    }
  }
  const wrong = told.flatMap(({ findings }) => findings).filter(isWrong).length
  if (flags.json) await output.write(`${JSON.stringify({ ...totals, findings: told.flatMap(rows), wrong })}\n`)
  else {
    for (const each of told) for (const finding of each.findings) await output.write(line(each.directory, finding))
    const counted = `${totals.partitions} partitions, ${totals.segments} segments, ${totals.batches} batches, ${totals.records} records`
    await output.write(`${counted}: ${wrong === 0 ? 'nothing wrong' : `${wrong} wrong`}\n`)
  }
  await output.flush()
  if (wrong > 0) throw new CommandFailure(ExitCode.DAMAGED, `${wrong} wrong`)
}

export function question({ directory, compacted, logStartOffset }: PartitionTarget) {
  return { dir: directory, compacted, logStartOffset }
}

/** Of a file only what is about it. */
function findingsOf(target: LogTarget, { findings }: Verified): readonly Finding[] {
  return target.kind === 'file' ? findings.filter(({ file }) => file === basename(target.path)) : findings
}

export function isWrong({ severity }: Finding): boolean {
  return severity !== 'note'
}

export function rows({ directory, findings }: Told): readonly unknown[] {
  return findings.map(finding => ({ directory, ...finding }))
}

export function line(directory: string, { severity, file, position, what }: Finding): string {
  const where = `${join(shown(directory), file)}${position === undefined ? '' : ` at byte ${position}`}`
  return `${severity}\t${where}\t${what}\n`
}

/** The core's refusals as the command line tells them. */
export function inspected<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    if (!(error instanceof NativeError)) throw error
    const exitCode = error.code === 'LOCKED' ? ExitCode.LOCKED : ExitCode.DATA_DIRECTORY
    throw new CommandFailure(exitCode, error.message, { cause: error })
  }
}
