// Owns the cases of topic administration: CreateTopics, CreatePartitions, DeleteTopics.
import { createPartitions, createTopics, type CreateTopicsRequestInput, deleteTopics, ZERO_UUID } from '#protocol'
import { type AnswerCase, ask } from './answer-case.ts'
import { type Peer, UNKNOWN_TOPIC_ID } from './peer.ts'

type NewTopic = NonNullable<CreateTopicsRequestInput['topics']>[number]

const timeoutMs = 10_000
const PARTITIONS_DEFAULT_FROM = 4

const create = (what: string, topics: (version: number) => readonly Partial<NewTopic>[], validateOnly = false) =>
  ask(createTopics, what, version => ({
    topics: topics(version).map(topic => ({ numPartitions: 1, replicationFactor: 1, ...topic }) as NewTopic),
    timeoutMs,
    validateOnly,
  }))

/** One topic that must not come to be. */
const refused = (what: string, topic: Partial<NewTopic>) =>
  create(what, version => [{ name: `refused-${version}`, ...topic }])
const withConfig = (what: string, name: string, value: string | null) => refused(what, { configs: [{ name, value }] })
const assigned = (what: string, assignments: NewTopic['assignments'], counts: Partial<NewTopic> = {}) =>
  refused(what, { numPartitions: -1, replicationFactor: -1, assignments, ...counts })

const creations = [
  create('a topic', version => [{ name: `made-${version}`, numPartitions: 3 }]),
  create('a topic that exists', () => [{ name: 'orders' }]),
  create('only validated', version => [{ name: `validated-${version}` }], true),
  create('a topic that exists, only validated', () => [{ name: 'orders' }], true),
  create('the defaults of the broker', version => [
    version >= PARTITIONS_DEFAULT_FROM
      ? { name: `default-${version}`, numPartitions: -1, replicationFactor: -1 }
      : { name: `default-${version}` },
  ]),
  create('with a setting', version => [
    { name: `set-${version}`, configs: [{ name: 'retention.ms', value: '1000000' }] },
  ]),
  create('an assignment', version => [
    {
      name: `assigned-${version}`,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [
        { partitionIndex: 0, brokerIds: [1] },
        { partitionIndex: 1, brokerIds: [1] },
      ],
    },
  ]),
  create('one topic twice', version => [{ name: `twice-${version}` }, { name: `twice-${version}` }]),
  create('good and bad together', version => [{ name: `good-${version}` }, { name: 'a/b' }, { name: 'orders' }]),
  create('no topics', () => []),
  refused('the name ..', { name: '..' }),
  refused('the name .', { name: '.' }),
  refused('an empty name', { name: '' }),
  refused('a name with a slash', { name: 'a/b' }),
  refused('a name of 250 characters', { name: 'x'.repeat(250) }),
  refused('a name beyond ascii', { name: 'größe' }),
  refused('the name of the metadata log', { name: '__cluster_metadata' }),
  create('names that differ in a dot', version => [{ name: `dot.ted-${version}` }, { name: `dot_ted-${version}` }]),
  refused('no partitions', { numPartitions: 0 }),
  refused('-2 partitions', { numPartitions: -2 }),
  refused('replication factor 0', { replicationFactor: 0 }),
  refused('replication factor -2', { replicationFactor: -2 }),
  refused('replication factor 2 of one broker', { replicationFactor: 2 }),
  withConfig('a setting that does not exist', 'no.such.setting', '1'),
  withConfig('a setting of null', 'retention.ms', null),
  withConfig('an empty setting name', '', '1'),
  withConfig('a number that is none', 'retention.ms', 'soon'),
  withConfig('a number out of range', 'max.message.bytes', '-1'),
  withConfig('segments too small', 'segment.bytes', '1000'),
  withConfig('a choice that does not exist', 'cleanup.policy', 'shred'),
  withConfig('a setting that was removed', 'message.timestamp.difference.max.ms', '1000'),
  withConfig('a truth that is none', 'preallocate', 'maybe'),
  assigned('an assignment and a count', [{ partitionIndex: 0, brokerIds: [1] }], { numPartitions: 1 }),
  assigned('an assignment and a factor', [{ partitionIndex: 0, brokerIds: [1] }], { replicationFactor: 1 }),
  assigned('an assignment to nobody', [{ partitionIndex: 0, brokerIds: [] }]),
  assigned('an assignment to an unknown broker', [{ partitionIndex: 0, brokerIds: [77] }]),
  assigned('an assignment to one broker twice', [{ partitionIndex: 0, brokerIds: [1, 1] }]),
  assigned('an assignment with a hole', [
    { partitionIndex: 0, brokerIds: [1] },
    { partitionIndex: 2, brokerIds: [1] },
  ]),
  assigned('an assignment with one partition twice', [
    { partitionIndex: 0, brokerIds: [1] },
    { partitionIndex: 0, brokerIds: [1] },
  ]),
  assigned('an assignment with a negative partition', [{ partitionIndex: -1, brokerIds: [1] }]),
]

const grow = (
  what: string,
  count: number,
  options: { name?: string; assignments?: readonly { brokerIds: number[] }[] | null; validateOnly?: boolean } = {},
) =>
  ask(createPartitions, what, () => ({
    topics: [{ name: options.name ?? 'grown', count, assignments: options.assignments ?? null }],
    timeoutMs,
    validateOnly: options.validateOnly ?? false,
  }))

const growths = [
  ask(createPartitions, 'more partitions', version => ({
    topics: [{ name: 'grown', count: 3 + version, assignments: null }],
    timeoutMs,
  })),
  grow('as many as there are', 1, { name: 'empty' }),
  grow('fewer partitions', 1),
  grow('no partitions', 0),
  grow('-1 partitions', -1),
  grow('an unknown topic', 2, { name: 'nowhere' }),
  grow('an empty name', 2, { name: '' }),
  grow('only validated', 50, { validateOnly: true }),
  grow('an assignment', 50, { assignments: [{ brokerIds: [1] }], validateOnly: true }),
  grow('an assignment to an unknown broker', 2, { name: 'small', assignments: [{ brokerIds: [77] }] }),
  grow('an assignment to nobody', 2, { name: 'small', assignments: [{ brokerIds: [] }] }),
  grow('an assignment with one broker twice', 2, { name: 'small', assignments: [{ brokerIds: [1, 1] }] }),
  grow('an empty assignment', 2, { name: 'small', assignments: [] }),
  ask(createPartitions, 'one topic twice', () => ({
    topics: [
      { name: 'small', count: 2, assignments: null },
      { name: 'small', count: 3, assignments: null },
    ],
    timeoutMs,
    validateOnly: true,
  })),
  ask(createPartitions, 'no topics', () => ({ topics: [], timeoutMs })),
]

const drop = (what: string, names: (version: number) => readonly string[]) =>
  ask(deleteTopics, what, version =>
    version >= 6
      ? { topics: names(version).map(name => ({ name })), timeoutMs }
      : { topicNames: names(version), timeoutMs },
  )
const dropBy = (what: string, topics: (peer: Peer) => { name: string | null; topicId: string }[]) =>
  ask(deleteTopics, what, (_version, peer) => ({ topics: topics(peer), timeoutMs }), { from: 6 })

const deletions = [
  drop('an unknown topic', () => ['nowhere']),
  drop('an empty name', () => ['']),
  drop('a name with a slash', () => ['a/b']),
  drop('one unknown topic twice', () => ['nowhere', 'nowhere']),
  drop('no topics', () => []),
  drop('a topic twice', version => [`good-${version}`, `good-${version}`]),
  drop('topics', version => [`made-${version + 1}`, `set-${version + 1}`, 'nowhere']),
  drop('a topic that is gone', version => [`made-${version + 1}`]),
  dropBy('an unknown id', () => [{ name: null, topicId: UNKNOWN_TOPIC_ID }]),
  dropBy('one unknown id twice', () => [
    { name: null, topicId: UNKNOWN_TOPIC_ID },
    { name: null, topicId: UNKNOWN_TOPIC_ID },
  ]),
  dropBy('neither name nor id', () => [{ name: null, topicId: ZERO_UUID }]),
  dropBy('both name and id', peer => [{ name: 'orders', topicId: peer.topicId('orders') }]),
  dropBy('a topic by name and by id', peer => [
    { name: 'grown', topicId: ZERO_UUID },
    { name: null, topicId: peer.topicId('grown') },
  ]),
  dropBy('by id', peer => [{ name: null, topicId: peer.topicId('configured') }]),
]

export const topicCases: readonly AnswerCase[] = [...creations, ...growths, ...deletions]
