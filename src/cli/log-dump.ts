// Owns the work of `millrace log dump`: which files, in which order, and how rows look. Never reads a format (log-files.ts does).
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { CommandFailure, ExitCode } from './exit-codes.ts'
import { type Row, rowsOf } from './log-files.ts'
import type { LogDumpFlags } from './log-routes.ts'
import { type LogTarget, logTarget, shown } from './log-targets.ts'
import { StandardOutput } from './standard-output.ts'

export async function dumpLogs(flags: LogDumpFlags, ...paths: string[]): Promise<void> {
  const output = new StandardOutput()
  const files = paths.map(path => logTarget(path)).flatMap(filesOf)
  const unread: string[] = []
  for (const file of files) {
    const rows = rowsOf(file, flags)
    if (rows === null) {
      if (files.length === 1) throw new CommandFailure(ExitCode.USAGE, `${file} is no file of a log directory`)
      continue
    }
    if (output.gone.aborted) break
    const name = shown(file)
    if (!flags.json) await output.write(`# ${name}\n`)
    const fault = await dumpRows(rows, { flags, file: name, output })
    if (fault !== null) unread.push(`${name}: ${fault}`)
  }
  await output.flush()
  if (unread.length > 0) throw new CommandFailure(ExitCode.DAMAGED, unread.join('\n'))
}

interface Dumped {
  readonly flags: LogDumpFlags
  readonly file: string
  readonly output: StandardOutput
}

/** Answers why the file could not be read to its end; null when it was. */
async function dumpRows(rows: Iterable<Row>, { flags, file, output }: Dumped): Promise<string | null> {
  let left = flags.num ?? Number.POSITIVE_INFINITY
  try {
    for (const row of rows) {
      // Records belong to their batch, and are not counted by themselves.
      if (row['kind'] !== 'record' && left-- <= 0) break
      await output.write(flags.json ? `${JSON.stringify({ file, ...row })}\n` : textOf(row))
      if (output.gone.aborted) break
    }
    return null
  } catch (error) {
    return (error as Error).message
  }
}

function textOf({ kind, text, ...fields }: Row): string {
  if (kind === 'text') return `${String(text)}\n`
  const cells = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return `${kind === 'record' ? '  ' : ''}${String(kind)} ${cells.join(' ')}\n`
}

function filesOf(target: LogTarget): readonly string[] {
  if (target.kind === 'file') return [target.path]
  const own = target.kind === 'log directory' ? filesIn(target.path) : []
  return [...own, ...target.partitions.flatMap(({ directory }) => filesIn(directory))]
}

/** Files of one segment stand together. */
function filesIn(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(directory, entry.name))
    .sort((a, b) => (basename(a) < basename(b) ? -1 : 1))
}
