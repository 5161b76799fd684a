// A BatchCodec for tests of pure code: CRC-32C in JavaScript, no compression. The real one is native.
import type { BatchCodec } from '#protocol'

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc >>> 0
})

export const plainCodec: BatchCodec = {
  crc32c(bytes) {
    let crc = 0xffffffff
    for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8)
    return (crc ^ 0xffffffff) >>> 0
  },
  compress() {
    throw new Error('metadata is not compressed')
  },
  decompress() {
    throw new Error('metadata is not compressed')
  },
}
