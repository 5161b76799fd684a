// Records of `__consumer_offsets`: what is written is read back, in the versions Apache Kafka 4.3 writes.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { groupMetadataValue, offsetCommitValue, ZERO_UUID } from '#protocol'
import { type GroupRecord, groupRecordSerde } from '../../src/coordinator/group/group-records.ts'

const text = fc.string({ maxLength: 40, unit: 'grapheme' })
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const timestampMs = fc.integer({ min: -1, max: 4_102_444_800_000 })
const bytes = fc.uint8Array({ maxLength: 64 }).map(array => Buffer.from(array))
const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(array => Buffer.from(array).toString('base64url'))

const offset: fc.Arbitrary<GroupRecord> = fc.record({
  kind: fc.constant('offset' as const),
  groupId: text,
  topic: text,
  partition: int32,
  value: fc.option(
    fc.oneof(
      fc.record({
        offset: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        leaderEpoch: int32,
        metadata: text,
        commitTimestampMs: timestampMs,
        expireTimestampMs: fc.constant(-1),
        topicId: uuid,
      }),
      // With an expiry of its own it is a version 1 record, which has neither leader epoch nor topic id.
      fc.record({
        offset: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        leaderEpoch: fc.constant(-1),
        metadata: text,
        commitTimestampMs: timestampMs,
        expireTimestampMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
        topicId: fc.constant(ZERO_UUID),
      }),
    ),
    { nil: null },
  ),
})

const group: fc.Arbitrary<GroupRecord> = fc
  .record({
    groupId: text,
    protocolType: text.filter(name => name !== ''),
    protocolName: text,
    generation: int32,
    leaderId: fc.option(text, { nil: null }),
    stateTimestampMs: timestampMs,
    members: fc.array(
      fc.record({
        memberId: text,
        instanceId: fc.option(text, { nil: null }),
        clientId: text,
        clientHost: text,
        sessionTimeoutMs: int32,
        rebalanceTimeoutMs: fc.nat(),
        metadata: bytes,
        assignment: bytes,
      }),
      { maxLength: 5 },
    ),
    isTombstone: fc.boolean(),
  })
  .map(({ groupId, members, isTombstone, ...value }) => ({
    kind: 'group' as const,
    groupId,
    value: isTombstone
      ? null
      : {
          ...value,
          members: members.map(({ metadata, ...member }) => ({
            ...member,
            protocolType: value.protocolType,
            protocols: [{ name: value.protocolName, metadata }],
          })),
        },
  }))

test('every record survives the way to the log and back', () => {
  fc.assert(
    fc.property(fc.oneof(offset, group), record => {
      const { key, value } = groupRecordSerde.encode(record)
      expect(groupRecordSerde.decode(key, value)).toEqual(record)
    }),
    { numRuns: 1_000, seed: 4_3_1 },
  )
})

test('they are written in the versions Apache Kafka 4.3 writes', () => {
  const common = { kind: 'offset' as const, groupId: 'g', topic: 't', partition: 0 }
  const value = { offset: 1n, leaderEpoch: -1, metadata: '', commitTimestampMs: 5, topicId: ZERO_UUID }
  const version = (record: GroupRecord) => groupRecordSerde.encode(record).value?.readInt16BE(0)
  expect(version({ ...common, value: { ...value, expireTimestampMs: -1 } })).toBe(4)
  expect(version({ ...common, value: { ...value, expireTimestampMs: 9 } })).toBe(1)
  const empty = {
    generation: 0,
    protocolType: null,
    protocolName: null,
    leaderId: null,
    stateTimestampMs: 0,
    members: [],
  }
  expect(version({ kind: 'group', groupId: 'g', value: empty })).toBe(3)
})

test.each([0, 1, 2, 3, 4])('offset values of version %i are read', version => {
  const { key } = groupRecordSerde.encode({ kind: 'offset', groupId: 'g', topic: 't', partition: 7, value: null })
  const value = offsetCommitValue.encode({ offset: 42n, metadata: 'm', commitTimestamp: 5n }, version)
  expect(groupRecordSerde.decode(key, value)).toMatchObject({
    partition: 7,
    value: { offset: 42n, metadata: 'm', expireTimestampMs: -1 },
  })
})

test.each([0, 1, 2, 3, 4])('group values of version %i are read', version => {
  const { key } = groupRecordSerde.encode({ kind: 'group', groupId: 'g', value: null })
  const value = groupMetadataValue.encode(
    {
      protocolType: 'consumer',
      generation: 3,
      protocol: 'range',
      leader: 'm',
      members: [
        {
          memberId: 'm',
          clientId: 'c',
          clientHost: '/h',
          sessionTimeout: 10_000,
          ...(version === 0 ? {} : { rebalanceTimeout: 60_000 }),
          subscription: Buffer.from('s'),
          assignment: Buffer.from('a'),
        },
      ],
    },
    version,
  )
  expect(groupRecordSerde.decode(key, value)).toMatchObject({
    value: {
      generation: 3,
      stateTimestampMs: -1,
      // Without a rebalance timeout of its own the session timeout serves.
      members: [{ memberId: 'm', rebalanceTimeoutMs: version === 0 ? 10_000 : 60_000, instanceId: null }],
    },
  })
})

test('records of other types are passed over, bytes that are no record are an error', () => {
  expect(groupRecordSerde.decode(Buffer.from([0, 3, 0, 0]), Buffer.alloc(0))).toBeNull()
  expect(() => groupRecordSerde.decode(Buffer.from([0]), null)).toThrow()
  expect(() => groupRecordSerde.decode(Buffer.from([0, 1, 0, 200]), null)).toThrow()
})
