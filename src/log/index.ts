/** Log: a fast log store inside a Node process, on the same core and in the same files as the broker's.
 *  Owns      `openLog`: writing batches through an arena, reading records as lazy views, follow, streams.
 *  May touch native (the handle), config (nearestName), host (assert).
 *  Never     knows a broker, a topic or the network; never copies a record unless it is asked to.
 *  Start at  open-log.ts, then log.ts, log-writer.ts and stretches.ts. How to use it: docs/guide/log.md */
export type { Bytes, Codec, RecordHeader, RecordInput, AppendInput } from './record-input.ts'
export { Log, type Appended, type AppendOptions, type ReadOptions, type ScanOptions } from './log.ts'
export { LogError, type LogErrorCode } from './log-error.ts'
export { openLog } from './open-log.ts'
export type { Ack, LogOptions } from './log-options.ts'
export { PackedRecords } from './packed-records.ts'
export type { WriteStreamOptions } from './streams.ts'
export { type KeptRecord, type LogRecord, RecordBatch } from './record-view.ts'
