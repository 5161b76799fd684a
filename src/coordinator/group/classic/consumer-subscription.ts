// Owns reading the topics out of a member's metadata of protocol type "consumer".
// Invariant: read as version 0, which is a prefix of all later versions, so that new clients are understood too.
import { consumerSubscriptionSchema, decodeMessage, Reader, WireError } from '#protocol'

export const CONSUMER_PROTOCOL_TYPE = 'consumer'

/** Null when the bytes are not a subscription: custom assignors may put anything there. */
export function subscribedTopics(metadata: Buffer): readonly string[] | null {
  try {
    const reader = new Reader(metadata)
    if (reader.int16() < 0) return null
    return decodeMessage(consumerSubscriptionSchema, 0, reader).topics
  } catch (error) {
    if (error instanceof WireError) return null
    throw error
  }
}
