// Owns the mapping of a name to a partition of a coordinator topic. Invariant: it equals Java's, or Kafka's tools would look elsewhere.

/** java.lang.String.hashCode: over UTF-16 units, wrapping at 32 bits. */
export function javaHashCode(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0
  return hash
}

/** Kafka's abs of the one int without a positive twin is 0. */
export function partitionForKey(key: string, partitionCount: number): number {
  const hash = javaHashCode(key)
  return (hash === -0x80000000 ? 0 : Math.abs(hash)) % partitionCount
}
