// Owns the checksum and compression functions of the core. Never keeps a buffer after it returns.
// Invariant: decompression never yields more than the given number of bytes; a bomb is an error, not an allocation.
import type { BatchCodec } from '#protocol'
import { addon } from './addon.ts'
import { callNative } from './native-error.ts'

/** CRC-32C and the four codecs of Kafka (1 gzip, 2 snappy in xerial framing, 3 lz4 frames, 4 zstd); level -1 is the default. */
export const codec = {
  crc32c(bytes: Buffer): number {
    return addon().crc32c(bytes)
  },
  compress(codecId: number, level: number, bytes: Buffer): Buffer {
    return callNative(() => addon().compress(codecId, level, bytes))
  },
  decompress(codecId: number, bytes: Buffer, maxBytes: number): Buffer {
    return callNative(() => addon().decompress(codecId, bytes, maxBytes))
  },
} as const

/** What `#protocol` asks for to encode and decode record batches: it is pure and cannot reach the core itself. */
export const nativeBatchCodec: BatchCodec = codec

/** Empty crossings, to measure what one costs (`bench/`). */
export const crossings = {
  nothing: (): void => addon().nothing(),
  addNumbers: (a: number, b: number): number => addon().addNumbers(a, b),
  sumBytes: (bytes: Buffer): number => addon().sumBytes(bytes),
  echoBatch: (bytes: Buffer): Buffer => addon().echoBatch(bytes),
} as const
