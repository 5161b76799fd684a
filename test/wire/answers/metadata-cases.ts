// Owns the cases of what clients ask to find their way: Metadata, DescribeTopicPartitions, FindCoordinator, ApiVersions.
import { apiVersions, describeTopicPartitions, findCoordinator, metadata, ZERO_UUID } from '#protocol'
import { type AnswerCase, ask, type CaseOptions } from './answer-case.ts'
import { UNKNOWN_TOPIC_ID } from './peer.ts'

const NO_CREATION_FROM = 4

const about = (what: string, names: readonly string[] | null, options: CaseOptions<typeof metadata> = {}) =>
  ask(
    metadata,
    what,
    version => ({
      topics: names === null ? null : names.map(name => ({ name })),
      ...(version >= NO_CREATION_FROM ? { allowAutoTopicCreation: false } : {}),
    }),
    options,
  )

const descriptions = [
  about('a topic', ['orders']),
  about('a topic named twice', ['orders', 'orders']),
  about('no topics', [], { from: 1 }),
  about('an unknown topic', ['nowhere'], { from: NO_CREATION_FROM }),
  about('known and unknown', ['orders', 'nowhere'], { from: NO_CREATION_FROM }),
  about('the name ..', ['..']),
  about('the name .', ['.']),
  about('an empty name', ['']),
  about('a name with a slash', ['a/b']),
  about('a name of 250 characters', ['x'.repeat(250)]),
  about('a name of 249 characters', ['y'.repeat(249)], { from: NO_CREATION_FROM }),
  about('a name beyond ascii', ['größe']),
  ask(metadata, 'bad names where topics are created', () => ({ topics: [{ name: 'a/b' }] }), {
    from: NO_CREATION_FROM,
  }),
  ask(metadata, 'a topic by id', (_version, peer) => ({ topics: [{ topicId: peer.topicId('orders'), name: null }] }), {
    from: 10,
  }),
  ask(metadata, 'an unknown topic id', () => ({ topics: [{ topicId: UNKNOWN_TOPIC_ID, name: null }] }), { from: 10 }),
  ask(metadata, 'neither name nor id', () => ({ topics: [{ topicId: ZERO_UUID, name: null }] }), { from: 10 }),
  ask(
    metadata,
    'name and id of different topics',
    (_version, peer) => ({ topics: [{ topicId: peer.topicId('orders'), name: 'empty' }] }),
    { from: 10 },
  ),
  ask(
    metadata,
    'name and id of one topic',
    (_version, peer) => ({ topics: [{ topicId: peer.topicId('orders'), name: 'orders' }] }),
    { from: 10 },
  ),
  ask(metadata, 'authorized operations', version => ({
    topics: [{ name: 'orders' }],
    ...(version >= 8 ? { includeTopicAuthorizedOperations: true } : {}),
    ...(version >= 8 && version <= 10 ? { includeClusterAuthorizedOperations: true } : {}),
  })),
]

const partitionsOf = (
  what: string,
  names: readonly string[],
  limit = 2000,
  cursor: { topicName: string; partitionIndex: number } | null = null,
) =>
  ask(describeTopicPartitions, what, () => ({
    topics: names.map(name => ({ name })),
    responsePartitionLimit: limit,
    cursor,
  }))

const partitions = [
  partitionsOf('a topic', ['orders']),
  partitionsOf('topics in no order', ['small', 'orders', 'empty']),
  partitionsOf('a topic named twice', ['orders', 'orders']),
  partitionsOf('an unknown topic', ['nowhere']),
  partitionsOf('known and unknown', ['orders', 'nowhere', 'empty']),
  partitionsOf('a bad name', ['a/b']),
  partitionsOf('an empty name', ['']),
  partitionsOf('limit 1', ['empty', 'orders'], 1),
  partitionsOf('limit 2', ['empty', 'orders'], 2),
  partitionsOf('limit as many as there are', ['empty', 'orders'], 3),
  partitionsOf('limit 0', ['orders'], 0),
  partitionsOf('limit -1', ['orders'], -1),
  partitionsOf('from a cursor', ['empty', 'orders'], 2000, { topicName: 'orders', partitionIndex: 1 }),
  partitionsOf('from a cursor beyond', ['orders', 'small'], 2000, { topicName: 'orders', partitionIndex: 9 }),
  partitionsOf('from a cursor of a topic not asked for', ['empty', 'small'], 2000, {
    topicName: 'orders',
    partitionIndex: 0,
  }),
  partitionsOf('from a cursor of an unknown topic', ['orders', 'small'], 2000, {
    topicName: 'p-nowhere',
    partitionIndex: 0,
  }),
  partitionsOf('from a negative cursor', ['orders'], 2000, { topicName: 'orders', partitionIndex: -1 }),
]

const coordinatorOf = (
  what: string,
  keyType: number,
  keys: readonly string[],
  options: CaseOptions<typeof findCoordinator> = {},
) =>
  ask(
    findCoordinator,
    what,
    version =>
      version >= 4 ? { keyType, coordinatorKeys: keys } : { key: keys[0] ?? '', ...(version >= 1 ? { keyType } : {}) },
    options,
  )

const coordinators = [
  coordinatorOf('a group', 0, ['some-group']),
  coordinatorOf('groups', 0, ['one', 'two', 'one'], { from: 4 }),
  coordinatorOf('no keys', 0, [], { from: 4 }),
  coordinatorOf('an empty group', 0, ['']),
  coordinatorOf('a type that does not exist', 9, ['some-group'], { from: 1 }),
  coordinatorOf('a negative type', -1, ['some-group'], { from: 1 }),
  coordinatorOf('a share key before its version', 2, ['g:abcdefghijklmnopqrstuw:0'], { from: 1, to: 5 }),
]

const software = (what: string, clientSoftwareName: string, clientSoftwareVersion: string) =>
  ask(apiVersions, what, () => ({ clientSoftwareName, clientSoftwareVersion }), { from: 3 })

const versions = [
  software('a software name with a space', 'a b', '1.0'),
  software('an empty software name', '', '1.0'),
  software('an empty software version', 'wire', ''),
  software('a software version that ends in a dash', 'wire', '1.0-'),
]

export const metadataCases: readonly AnswerCase[] = [...descriptions, ...partitions, ...coordinators, ...versions]
