// CRC-32C and gzip in JavaScript: the second opinion on the native core's, and what tests of the client alone run on.
import { gunzipSync, gzipSync } from 'node:zlib'
import type { BatchCodec } from '#protocol'

const GZIP = 1
const CASTAGNOLI = 0x82f63b78
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CASTAGNOLI : value >>> 1
  return value >>> 0
})

export const testCodec: BatchCodec = {
  crc32c(bytes) {
    let crc = 0xffffffff
    for (const byte of bytes) crc = ((table[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8)) >>> 0
    return (crc ^ 0xffffffff) >>> 0
  },
  compress(codec, _level, bytes) {
    if (codec !== GZIP) throw new Error(`the test codec has no codec ${codec}`)
    return gzipSync(bytes)
  },
  decompress(codec, bytes, maxBytes) {
    if (codec !== GZIP) throw new Error(`the test codec has no codec ${codec}`)
    return gunzipSync(bytes, { maxOutputLength: maxBytes })
  },
}
