// Owns the layout of the v2 batch header, 61 bytes, all integers big-endian:
//    0 i64 baseOffset            8 i32 batchLength (bytes after this field)   12 i32 partitionLeaderEpoch
//   16 i8  magic = 2            17 u32 crc (CRC-32C of byte 21 to the end)     21 i16 attributes
//   23 i32 lastOffsetDelta      27 i64 baseTimestamp                           35 i64 maxTimestamp
//   43 i64 producerId           51 i16 producerEpoch                           53 i32 baseSequence
//   57 i32 recordCount          61 records
// attributes: bits 0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 baseTimestamp is the delete horizon.
import { KafkaError } from '../kafka-error.ts'

export const BATCH_HEADER_BYTES = 61
/** baseOffset and batchLength: what must be there to know the size of a batch. */
export const BATCH_PREFIX_BYTES = 12
export const CRC_POSITION = 17
export const ATTRIBUTES_POSITION = 21
export const MAGIC_V2 = 2

export const LOG_APPEND_TIME_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
export const DELETE_HORIZON_BIT = 0x40
export const COMPRESSION_MASK = 0x07

export interface BatchHeader {
  readonly baseOffset: bigint
  readonly batchLength: number
  readonly partitionLeaderEpoch: number
  readonly magic: number
  readonly crc: number
  readonly attributes: number
  readonly lastOffsetDelta: number
  readonly baseTimestamp: bigint
  readonly maxTimestamp: bigint
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** Reads the header at `start`. The caller has checked that 61 bytes are there. */
export function readBatchHeader(buffer: Buffer, start: number): BatchHeader {
  const magic = buffer.readInt8(start + 16)
  if (magic !== MAGIC_V2) {
    throw new KafkaError('UNSUPPORTED_FOR_MESSAGE_FORMAT', `record batch has magic ${magic}, only 2 is supported`)
  }
  return {
    baseOffset: buffer.readBigInt64BE(start),
    batchLength: buffer.readInt32BE(start + 8),
    partitionLeaderEpoch: buffer.readInt32BE(start + 12),
    magic,
    crc: buffer.readUInt32BE(start + CRC_POSITION),
    attributes: buffer.readInt16BE(start + ATTRIBUTES_POSITION),
    lastOffsetDelta: buffer.readInt32BE(start + 23),
    baseTimestamp: buffer.readBigInt64BE(start + 27),
    maxTimestamp: buffer.readBigInt64BE(start + 35),
    producerId: buffer.readBigInt64BE(start + 43),
    producerEpoch: buffer.readInt16BE(start + 51),
    baseSequence: buffer.readInt32BE(start + 53),
    recordCount: buffer.readInt32BE(start + 57),
  }
}

export function writeBatchHeader(buffer: Buffer, start: number, header: BatchHeader): void {
  buffer.writeBigInt64BE(header.baseOffset, start)
  buffer.writeInt32BE(header.batchLength, start + 8)
  buffer.writeInt32BE(header.partitionLeaderEpoch, start + 12)
  buffer.writeInt8(header.magic, start + 16)
  buffer.writeUInt32BE(header.crc, start + CRC_POSITION)
  buffer.writeInt16BE(header.attributes, start + ATTRIBUTES_POSITION)
  buffer.writeInt32BE(header.lastOffsetDelta, start + 23)
  buffer.writeBigInt64BE(header.baseTimestamp, start + 27)
  buffer.writeBigInt64BE(header.maxTimestamp, start + 35)
  buffer.writeBigInt64BE(header.producerId, start + 43)
  buffer.writeInt16BE(header.producerEpoch, start + 51)
  buffer.writeInt32BE(header.baseSequence, start + 53)
  buffer.writeInt32BE(header.recordCount, start + 57)
}
