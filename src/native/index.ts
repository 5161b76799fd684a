/** Native: the typed handles over the Rust core.
 *  Owns      the addon (sole loader), the event stream, the promises of appends under way.
 *  May touch protocol (error table, BatchCodec type), host (uuid forms).
 *  Never     decides anything, and never lets a raw addon object out.
 *  Start at  broker-handle.ts, then event-stream.ts. */
export { addonFile } from './addon.ts'
export type {
  ApiVersionRange,
  BoundListener,
  BrokerOptions,
  EmbeddedOptions,
  Finding,
  OpenedLogDirs,
  PartitionIoJob,
  PartitionEnds,
  RawRepaired as Repaired,
  RawStretch,
  Verified,
} from './addon.ts'
export type { Appended } from './appends.ts'
export { BrokerHandle, type BrokerEvents, type Offsets } from './broker-handle.ts'
export { codec, crossings, nativeBatchCodec } from './codec.ts'
export { adoption, type AdoptedLog } from './adoption.ts'
export { EmbeddedHandle, type EmbeddedHandleOptions } from './embedded-handle.ts'
export { decodeEvents, type LogDirFailedEvent, type NativeEvent, type RequestEvent } from './event-stream.ts'
export { repairPartition, verifyDirectoryFiles, verifyPartition } from './inspection.ts'
export { LogHandle, type LogHandleOptions } from './log-handle.ts'
export { NativeError } from './native-error.ts'
export type {
  PartitionTableBroker,
  PartitionTableDelta,
  PartitionTablePartition,
  PartitionTableTopic,
  PublishFailure,
  PublishResult,
  RecoveringPartition,
  TopicNativeConfig,
} from './partition-table.ts'
