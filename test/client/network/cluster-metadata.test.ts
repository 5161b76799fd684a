import { expect, test } from 'vitest'
import type { MetadataResponse } from '#protocol'
import { ClusterMetadata } from '../../../src/client/network/cluster-metadata.ts'

const ID = 'AAAAAAAAAAAAAAAAAAAAZQ'
const OTHER_ID = 'AAAAAAAAAAAAAAAAAAAAZg'

function response(
  topics: readonly {
    name: string
    topicId?: string
    errorCode?: number
    leaders: readonly (readonly [leader: number, epoch: number])[]
  }[],
): MetadataResponse {
  return {
    throttleTimeMs: 0,
    brokers: [1, 2].map(nodeId => ({ nodeId, host: `host-${nodeId}`, port: 9092, rack: null })),
    clusterId: 'c',
    controllerId: 2,
    topics: topics.map(({ name, topicId = ID, errorCode = 0, leaders }) => ({
      errorCode,
      name,
      topicId,
      isInternal: false,
      partitions: leaders.map(([leaderId, leaderEpoch], partitionIndex) => ({
        errorCode: 0,
        partitionIndex,
        leaderId,
        leaderEpoch,
        replicaNodes: [1, 2],
        isrNodes: [1],
        offlineReplicas: [],
      })),
      topicAuthorizedOperations: 0,
    })),
    clusterAuthorizedOperations: 0,
    errorCode: 0,
  }
}

test('brokers, leaders and topic ids are found after a response', () => {
  const metadata = new ClusterMetadata()
  metadata.apply(
    response([
      {
        name: 't',
        leaders: [
          [1, 5],
          [-1, 6],
        ],
      },
    ]),
    10,
  )
  expect(metadata.leaderOf('t', 0)).toMatchObject({ node: { nodeId: 1, host: 'host-1' }, leaderEpoch: 5 })
  expect(metadata.leaderOf('t', 1)).toBeUndefined()
  expect(metadata.leaderOf('t', 2)).toBeUndefined()
  expect(metadata.topicNameOf(ID)).toBe('t')
  expect(metadata.controller?.nodeId).toBe(2)
  expect(metadata.updatedAtMs).toBe(10)
})

test('a broker that lags behind cannot take a leader epoch back', () => {
  const metadata = new ClusterMetadata()
  metadata.apply(response([{ name: 't', leaders: [[1, 5]] }]), 0)
  metadata.apply(response([{ name: 't', leaders: [[2, 4]] }]), 1)
  expect(metadata.leaderOf('t', 0)).toMatchObject({ node: { nodeId: 1 }, leaderEpoch: 5 })
})

test('a topic deleted and created again starts its epochs anew', () => {
  const metadata = new ClusterMetadata()
  metadata.apply(response([{ name: 't', leaders: [[1, 5]] }]), 0)
  metadata.apply(response([{ name: 't', topicId: OTHER_ID, leaders: [[2, 0]] }]), 1)
  expect(metadata.leaderOf('t', 0)).toMatchObject({ node: { nodeId: 2 }, leaderEpoch: 0 })
  expect(metadata.topicNameOf(ID)).toBeUndefined()
  expect(metadata.topicNameOf(OTHER_ID)).toBe('t')
})

test('a topic that is gone is forgotten, one that is briefly unavailable is kept', () => {
  const metadata = new ClusterMetadata()
  metadata.apply(response([{ name: 't', leaders: [[1, 5]] }]), 0)
  metadata.apply(response([{ name: 't', errorCode: 5, leaders: [] }]), 1)
  expect(metadata.topic('t')).toBeDefined()
  expect(metadata.topicError('t')).toBe(5)
  metadata.apply(response([{ name: 't', errorCode: 3, leaders: [] }]), 2)
  expect(metadata.topic('t')).toBeUndefined()
})

test('an answer that names a newer leader is believed, an older one is not', () => {
  const metadata = new ClusterMetadata()
  metadata.apply(response([{ name: 't', leaders: [[1, 5]] }]), 0)
  expect(metadata.leaderMoved('t', 0, 2, 5)).toBe(false)
  expect(metadata.leaderMoved('t', 0, 9, 6)).toBe(false)
  expect(metadata.leaderMoved('t', 0, 2, 6)).toBe(true)
  expect(metadata.leaderOf('t', 0)).toMatchObject({ node: { nodeId: 2 }, leaderEpoch: 6 })
})
