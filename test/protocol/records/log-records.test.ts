import { describe, expect, it } from 'vitest'
import {
  consumerSubscription,
  decodeControlRecord,
  decodeCoordinatorKey,
  encodeControlRecord,
  groupMetadataKey,
  groupMetadataValue,
  KafkaError,
  metadataRecords,
  offsetCommitKey,
  offsetCommitValue,
} from '#protocol'

describe('metadata records', () => {
  it('the frame is version 1, type, record version', () => {
    const bytes = metadataRecords.encode({ type: 'FeatureLevelRecord', name: 'm', featureLevel: 30 })
    expect(bytes.toString('hex')).toBe('01' + '0c' + '00' + '026d' + '001e' + '00')
    const record = metadataRecords.decode(bytes)
    expect(record).toEqual({ type: 'FeatureLevelRecord', version: 0, name: 'm', featureLevel: 30 })
    if (record.type === 'FeatureLevelRecord') expect(record.featureLevel).toBe(30)
  })

  it('an unknown type, version or frame version and left-over bytes are refused', () => {
    for (const hex of ['000c00026d001e00', '01630000', '010c05026d001e00', '010c00026d001e0000', '01']) {
      expect(() => metadataRecords.decode(Buffer.from(hex, 'hex'))).toThrow(KafkaError)
    }
  })
})

describe('control records', () => {
  it('a commit marker is version 0 and the coordinator epoch', () => {
    const { key, value } = encodeControlRecord({ type: 'Commit', coordinatorEpoch: 3 })
    expect(key.toString('hex')).toBe('00000001')
    expect(value.toString('hex')).toBe('000000000003')
    expect(decodeControlRecord({ key, value })).toEqual({ type: 'Commit', coordinatorEpoch: 3 })
  })

  it('a leader change comes back in the version it names', () => {
    const voters = [{ voterId: 1, voterDirectoryId: 'AAAAAAAAAAAAAAAAAAAAAQ' }]
    const made = encodeControlRecord({ type: 'LeaderChange', version: 1, leaderId: 1, voters, grantingVoters: voters })
    expect(decodeControlRecord(made)).toEqual({
      type: 'LeaderChange',
      version: 1,
      leaderId: 1,
      voters,
      grantingVoters: voters,
    })
  })

  it('a type from the future is passed over', () => {
    expect(decodeControlRecord({ key: Buffer.from('00000063', 'hex'), value: Buffer.alloc(0) })).toEqual({
      type: 'Unknown',
      id: 99,
    })
  })
})

describe('coordinator records', () => {
  it('keys name their type, values their version', () => {
    const key = offsetCommitKey.encode({ group: 'g', topic: 't', partition: 2 })
    expect(key.toString('hex')).toBe('0001' + '000167' + '000174' + '00000002')
    expect(decodeCoordinatorKey(key)).toEqual({ type: 'OffsetCommit', group: 'g', topic: 't', partition: 2 })
    expect(decodeCoordinatorKey(groupMetadataKey.encode({ group: 'g' }))).toEqual({ type: 'GroupMetadata', group: 'g' })
    expect(decodeCoordinatorKey(Buffer.from('0003', 'hex'))).toEqual({ type: 'Unknown', id: 3 })
  })

  it('values are written in the version Kafka 4.3 writes', () => {
    expect(offsetCommitValue.encode({ offset: 5n, metadata: 'm' }).readInt16BE(0)).toBe(4)
    expect(offsetCommitValue.encode({ offset: 5n, expireTimestamp: 9n }).readInt16BE(0)).toBe(1)
    const bytes = groupMetadataValue.encode({ protocolType: 'consumer', protocol: null, leader: null, generation: 4 })
    expect(bytes.readInt16BE(0)).toBe(3)
    expect(groupMetadataValue.decode(bytes)).toMatchObject({ version: 3, generation: 4, leader: null, members: [] })
  })
})

describe('consumer protocol', () => {
  it('a version newer than known is read as the newest known', () => {
    const bytes = consumerSubscription.encode({ topics: ['t'], rackId: 'r' })
    bytes.writeInt16BE(9, 0)
    expect(consumerSubscription.decode(bytes)).toMatchObject({ topics: ['t'], rackId: 'r', generationId: -1 })
  })
})
