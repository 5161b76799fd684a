/** Records: what is inside batches and logs.
 *  Owns      v2 batches, control records, metadata-log records, `__consumer_offsets` records, the consumer's group payloads.
 *  May touch the codecs of the folder above.
 *  Never     checksums or compresses by itself: a BatchCodec is passed in. */
export { Compression, compressionName, type BatchCodec, type CompressionName } from './batch-codec.ts'
export { BATCH_HEADER_BYTES, readBatchHeader, type BatchHeader } from './batch-header.ts'
export * from './consumer-protocol.ts'
export {
  controlRecordSchemas,
  decodeControlRecord,
  encodeControlRecord,
  type ControlRecord,
  type ControlRecordInput,
  type ControlRecordType,
} from './control-records.ts'
export * from './coordinator-records.ts'
export { decodeBatches, RecordBatch, RecordView, UNPACKED_BYTES_MAX, type DecodeOptions } from './decode-batches.ts'
export { encodeBatch, recordBytes, type BatchInput, type RecordHeader, type RecordInput } from './encode-batch.ts'
export { metadataRecordSchemas } from './metadata-record-schemas.ts'
export {
  decodeMetadataRecord,
  encodeMetadataRecord,
  METADATA_FRAME_VERSION,
  metadataRecords,
  type MetadataRecord,
  type MetadataRecordInput,
  type MetadataRecordOf,
  type MetadataRecordType,
} from './metadata-records.ts'
