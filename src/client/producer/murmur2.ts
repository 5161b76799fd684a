// Owns the hash that decides which partition a key goes to. Invariant: the same number as Kafka's Java client for every key, or
// records of one key land in two partitions when two clients write. Austin Appleby's MurmurHash2, 32 bits, Kafka's seed.
const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995
const ROTATION = 24

/** Signed 32-bit hash, as `org.apache.kafka.common.utils.Utils.murmur2` gives. */
export function murmur2(data: Uint8Array): number {
  const length = data.length
  let hash = SEED ^ length
  let at = 0
  for (; length - at >= 4; at += 4) {
    let word =
      (data[at] as number) |
      ((data[at + 1] as number) << 8) |
      ((data[at + 2] as number) << 16) |
      ((data[at + 3] as number) << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> ROTATION
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  const left = length - at
  if (left > 0) {
    if (left === 3) hash ^= (data[at + 2] as number) << 16
    if (left >= 2) hash ^= (data[at + 1] as number) << 8
    hash = Math.imul(hash ^ (data[at] as number), MULTIPLIER)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, MULTIPLIER)
  return hash ^ (hash >>> 15)
}
