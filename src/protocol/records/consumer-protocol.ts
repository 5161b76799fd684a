// Owns what consumers put into JoinGroup metadata and SyncGroup assignments (protocol type "consumer"):
//   i16 version, then the fields. A version newer than known is read as the newest known: later versions only append.
// Never interprets assignments.
import { decodeMessage, encodeWith, writeMessage } from '../codec.ts'
import { array, bytes, int32, message, string, struct } from '../schema/notation.ts'
import type { Decoded, Input, Message } from '../schema/notation.ts'
import { Reader } from '../schema/reader.ts'

/** Owned partitions since v1 (KIP-429), generation since v2 (KIP-792), rack since v3 (KIP-881). */
export const consumerSubscriptionSchema = message({
  name: 'ConsumerProtocolSubscription',
  versions: [0, 3],
  flexible: null,
  fields: {
    topics: array(string()),
    userData: bytes({ nullable: true, default: null }),
    ownedPartitions: array(struct({ topic: string(), partitions: array(int32()) }), { since: 1, ignorable: true }),
    generationId: int32({ since: 2, default: -1, ignorable: true }),
    rackId: string({ since: 3, nullable: true, default: null, ignorable: true }),
  },
})

export const consumerAssignmentSchema = message({
  name: 'ConsumerProtocolAssignment',
  versions: [0, 3],
  flexible: null,
  fields: {
    assignedPartitions: array(struct({ topic: string(), partitions: array(int32()) })),
    userData: bytes({ nullable: true, default: null }),
  },
})

export type ConsumerSubscription = Decoded<typeof consumerSubscriptionSchema.fields>
export type ConsumerSubscriptionInput = Input<typeof consumerSubscriptionSchema.fields>
export type ConsumerAssignment = Decoded<typeof consumerAssignmentSchema.fields>
export type ConsumerAssignmentInput = Input<typeof consumerAssignmentSchema.fields>

function encode<M extends Message>(described: M, version: number, value: Input<M['fields']>): Buffer {
  return encodeWith(writer => {
    writer.int16(version)
    writeMessage(described, version, value, writer)
  })
}

function decode<M extends Message>(described: M, buffer: Buffer): Decoded<M['fields']> {
  const reader = new Reader(buffer)
  const version = Math.min(reader.int16(), described.versions[1])
  return decodeMessage(described, version, reader)
}

export const consumerSubscription = {
  encode: (value: ConsumerSubscriptionInput, version = 3): Buffer => encode(consumerSubscriptionSchema, version, value),
  decode: (buffer: Buffer): ConsumerSubscription => decode(consumerSubscriptionSchema, buffer),
} as const

export const consumerAssignment = {
  encode: (value: ConsumerAssignmentInput, version = 3): Buffer => encode(consumerAssignmentSchema, version, value),
  decode: (buffer: Buffer): ConsumerAssignment => decode(consumerAssignmentSchema, buffer),
} as const
