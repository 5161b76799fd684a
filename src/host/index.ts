/** Host: everything the process offers, behind interfaces, so that deciding code never meets the real thing.
 *  Owns      clocks, timers, entropy, files, the logger and orderly shutdown: interface, real one, manual double.
 *  May touch node: modules and pino; nothing of ours.
 *  Never     knows a Kafka word, and never keeps the process alive (timers are unref'd).
 *  Start at  host.ts (the interface), real-host.ts, manual-host.ts. */
export { assert, AssertionError } from './assert.ts'
export type { Clock } from './clock.ts'
export type { Entropy } from './entropy.ts'
export type { Files } from './files.ts'
export type { Host } from './host.ts'
export type { LogFields, Logger, LogLevel } from './logger.ts'
export { type ManualHost, manualHost } from './manual-host.ts'
export { type RealHostOptions, realHost } from './real-host.ts'
export { Shutdown } from './shutdown.ts'
export type { Timer, Timers } from './timers.ts'
export { uuidFromBytes, uuidToBytes, ZERO_UUID } from './uuid.ts'
