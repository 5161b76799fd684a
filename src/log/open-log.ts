// Owns the way in: options checked, the handle opened, the log around it.
import { Log } from './log.ts'
import { LogError } from './log-error.ts'
import { checkOptions, type LogOptions } from './log-options.ts'

/**
 * Opens the log in a directory, creating it if there is none.
 *
 * ```ts
 * import { openLog } from 'millrace/log'
 *
 * const log = await openLog('orders-0')
 * const { baseOffset, durable } = log.append(['first', { key: 'k', value: 'second' }])
 * await durable
 * for await (const batch of log.read({ from: baseOffset })) {
 *   for (const record of batch) console.log(record.offset, String(record.value))
 * }
 * await log.close()
 * ```
 *
 * One writer at a time, any number of readers (`readOnly`), also from worker threads. After an unclean end opening checks what was written since
 * the last checkpoint. Throws LogError: LOCKED, BROKER_OWNED, UNREADABLE, INVALID_ARGUMENT, IO, DISK_FULL.
 */
// oxlint-disable-next-line typescript/require-await -- a promise, so that recovery may leave this thread without changing callers
export async function openLog<Value = Buffer>(dir: string, options: LogOptions<Value> = {}): Promise<Log<Value>> {
  if (typeof dir !== 'string' || dir === '') throw new LogError('INVALID_ARGUMENT', 'the directory of a log is a path')
  return new Log(dir, checkOptions(options))
}
