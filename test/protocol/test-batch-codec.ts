// Owns a BatchCodec for tests of the pure folder: CRC-32C by table, gzip by zlib. The product's codec lives behind #native.
import { gunzipSync, gzipSync } from 'node:zlib'
import type { BatchCodec } from '#protocol'

const TABLE = new Uint32Array(256).map((_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value >>> 0
})

const GZIP = 1

function onlyGzip(codec: number): void {
  if (codec !== GZIP) throw new Error(`the test codec knows gzip only, not ${codec}`)
}

export const testBatchCodec: BatchCodec = {
  crc32c(bytes) {
    let crc = 0xffffffff
    for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8)
    return (crc ^ 0xffffffff) >>> 0
  },
  compress(codec, _level, bytes) {
    onlyGzip(codec)
    return gzipSync(bytes)
  },
  decompress(codec, bytes, maxBytes) {
    onlyGzip(codec)
    return gunzipSync(bytes, { maxOutputLength: maxBytes })
  },
}
