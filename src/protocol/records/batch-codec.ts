// Owns the interface by which checksums and compression are injected: this folder is pure and may not load the addon.

export const Compression = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const
export type CompressionName = keyof typeof Compression

const NAMES: readonly CompressionName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Name of the codec in bits 0-2 of the attributes, undefined for 5 to 7. */
export function compressionName(codec: number): CompressionName | undefined {
  return NAMES[codec]
}

export interface BatchCodec {
  /** CRC-32C (Castagnoli) as an unsigned number. */
  crc32c(bytes: Buffer): number
  /** `codec` 1 to 4; `level` -1 means the codec's default. */
  compress(codec: number, level: number, bytes: Buffer): Buffer
  /** Fails when the output would exceed `maxBytes`. */
  decompress(codec: number, bytes: Buffer, maxBytes: number): Buffer
}
