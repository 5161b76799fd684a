// Owns the bit fields of operations a client may do. Never checks an ACL: without an authorizer all supported ones are allowed.
// A bit's number is Kafka's operation code: 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action,
// 10 describe configs, 11 alter configs, 12 idempotent write.

/** What the field holds when the client did not ask. */
export const OPERATIONS_NOT_REQUESTED = -(2 ** 31)

const bits = (...codes: readonly number[]): number => codes.reduce((field, code) => field | (1 << code), 0)

export const TOPIC_OPERATIONS = bits(3, 4, 5, 6, 7, 8, 10, 11)
export const CLUSTER_OPERATIONS = bits(5, 7, 8, 9, 10, 11, 12)
