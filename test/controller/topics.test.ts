import { beforeEach, describe, expect, test } from 'vitest'
import { ErrorCode, ZERO_UUID } from '#protocol'
import { World } from './controller-world.ts'

let world: World
beforeEach(async () => {
  world = await World.start()
  await world.join(1)
})

describe('CreateTopics', () => {
  test('makes a topic with the defaults of the broker and tells what it made', async () => {
    const { topics } = await world.createTopics(['orders'])
    const created = topics[0]
    expect(created).toMatchObject({
      name: 'orders',
      errorCode: 0,
      errorMessage: null,
      numPartitions: 1,
      replicationFactor: 1,
    })
    expect(created?.topicId).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/)
    expect(created?.configs).toHaveLength(34)
    expect(created?.configs?.find(({ name }) => name === 'segment.bytes')).toEqual({
      name: 'segment.bytes',
      value: '1073741824',
      readOnly: false,
      configSource: 5,
      isSensitive: false,
    })
    const image = world.image.topics.byName('orders')
    expect(image?.topicId).toBe(created?.topicId)
    expect(image?.partitions).toMatchObject([{ leader: 1, leaderEpoch: 0, partitionEpoch: 0, replicas: [1], isr: [1] }])
    expect(image?.partitions[0]?.directories).toEqual(world.image.brokers.get(1)?.directories)
  })

  test('takes partitions and settings, which are told with their source', async () => {
    const configs = [{ name: 'cleanup.policy', value: 'compact' }]
    const { topics } = await world.createTopics([{ name: 'state', numPartitions: 3, replicationFactor: 1, configs }])
    expect(topics[0]).toMatchObject({ errorCode: 0, numPartitions: 3 })
    expect(topics[0]?.configs?.find(({ name }) => name === 'cleanup.policy')).toMatchObject({
      value: 'compact',
      configSource: 1,
    })
    expect(world.image.configs.get(2, 'state').get('cleanup.policy')).toBe('compact')
  })

  test('only looks when asked to validate', async () => {
    const before = world.log.endOffset
    const { topics } = await world.createTopics(['orders', 'no/slash'], { validateOnly: true })
    expect(topics.map(({ errorCode, topicId }) => [errorCode, topicId])).toEqual([
      [0, ZERO_UUID],
      [ErrorCode.INVALID_TOPIC_EXCEPTION, ZERO_UUID],
    ])
    expect(world.log.endOffset).toBe(before)
  })

  test('answers for each topic alone', async () => {
    const { topics } = await world.createTopics(['good', 'bad name', 'fine'])
    expect(topics.map(({ errorCode }) => errorCode)).toEqual([0, ErrorCode.INVALID_TOPIC_EXCEPTION, 0])
    expect(world.image.topics.size).toBe(2)
  })

  test('a name twice in a request makes no topic', async () => {
    const { topics } = await world.createTopics(['a', 'b', 'a'])
    expect(topics).toMatchObject([
      { name: 'a', errorCode: ErrorCode.INVALID_REQUEST, errorMessage: 'Duplicate topic name.' },
      { name: 'b', errorCode: 0 },
    ])
  })

  test('writes everything of a request as one batch', async () => {
    const before = world.log.appends
    await world.createTopics([{ name: 'a', numPartitions: 50 }, 'b', 'c'])
    expect(world.log.appends).toBe(before + 1)
  })

  test.each<[string, number, RegExp]>([
    ['', ErrorCode.INVALID_TOPIC_EXCEPTION, /empty string/],
    ['.', ErrorCode.INVALID_TOPIC_EXCEPTION, /'.' is not allowed/],
    ['..', ErrorCode.INVALID_TOPIC_EXCEPTION, /'..' is not allowed/],
    ['a/b', ErrorCode.INVALID_TOPIC_EXCEPTION, /other than ASCII alphanumerics/],
    ['é', ErrorCode.INVALID_TOPIC_EXCEPTION, /other than ASCII alphanumerics/],
    ['x'.repeat(250), ErrorCode.INVALID_TOPIC_EXCEPTION, /max allowed length 249/],
    ['__cluster_metadata', ErrorCode.INVALID_REQUEST, /prohibited/],
    ['used.name', ErrorCode.TOPIC_ALREADY_EXISTS, /Topic 'used.name' already exists/],
    ['used_name', ErrorCode.INVALID_TOPIC_EXCEPTION, /collides with existing topic: used.name/],
  ])('the name %j is refused', async (name, errorCode, message) => {
    await world.createTopics(['used.name'])
    const { topics } = await world.createTopics([name])
    expect(topics[0]).toMatchObject({ errorCode, errorMessage: expect.stringMatching(message), configs: [] })
  })

  test('names within one request collide too', async () => {
    const { topics } = await world.createTopics(['a.b', 'a_b'])
    expect(topics.map(({ errorCode }) => errorCode)).toEqual([0, ErrorCode.INVALID_TOPIC_EXCEPTION])
  })

  test.each([
    [{ numPartitions: 0 }, ErrorCode.INVALID_PARTITIONS, /larger than 0/],
    [{ numPartitions: -2 }, ErrorCode.INVALID_PARTITIONS, /larger than 0/],
    [{ numPartitions: 10_001 }, ErrorCode.POLICY_VIOLATION, /Excessively large number of partitions/],
    [{ numPartitions: 2_147_483_647 }, ErrorCode.POLICY_VIOLATION, /Excessively large/],
    [{ replicationFactor: 0 }, ErrorCode.INVALID_REPLICATION_FACTOR, /larger than 0/],
    [{ replicationFactor: -2 }, ErrorCode.INVALID_REPLICATION_FACTOR, /larger than 0/],
    [{ replicationFactor: 2 }, ErrorCode.INVALID_REPLICATION_FACTOR, /2 time\(s\).*only 1 broker\(s\) are registered/],
    [{ configs: [{ name: 'segment.bytes', value: '1048575' }] }, ErrorCode.INVALID_CONFIG, /at least 1048576/],
    [{ configs: [{ name: 'no.such', value: '1' }] }, ErrorCode.INVALID_CONFIG, /Unknown topic config name: no.such/],
    [{ configs: [{ name: 'retention.ms', value: null }] }, ErrorCode.INVALID_CONFIG, /Null value not supported/],
    [
      { configs: [{ name: 'message.timestamp.difference.max.ms', value: '1' }] },
      ErrorCode.INVALID_CONFIG,
      /Unknown topic config name/,
    ],
  ])('%j is refused', async (fields, errorCode, message) => {
    const { topics } = await world.createTopics([{ name: 'x', ...fields }])
    expect(topics[0]).toMatchObject({ errorCode, errorMessage: expect.stringMatching(message) })
    expect(world.image.topics.size).toBe(0)
  })

  describe('with an assignment by hand', () => {
    const assigned = (...assignments: [number, number[]][]) =>
      assignments.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds }))
    const create = async (assignments: ReturnType<typeof assigned>, fields = {}) =>
      (await world.createTopics([{ name: 'x', assignments, ...fields }])).topics[0]

    test('it is followed, also out of order', async () => {
      await world.join(2)
      expect(await create(assigned([1, [2, 1]], [0, [1, 2]]))).toMatchObject({
        errorCode: 0,
        numPartitions: 2,
        replicationFactor: 2,
      })
      expect(world.image.topics.byName('x')?.partitions).toMatchObject([
        { replicas: [1, 2], isr: [1, 2], leader: 1 },
        { replicas: [2, 1], isr: [2, 1], leader: 2 },
      ])
    })

    test('a fenced replica is not in sync and does not lead', async () => {
      await world.register(2)
      expect(await create(assigned([0, [2, 1]]))).toMatchObject({ errorCode: 0 })
      expect(world.image.topics.byName('x')?.partitions).toMatchObject([{ replicas: [2, 1], isr: [1], leader: 1 }])
    })

    test.each([
      [assigned([0, [1]]), { replicationFactor: 1 }, ErrorCode.INVALID_REQUEST, /replication factor was not set to -1/],
      [assigned([0, [1]]), { numPartitions: 1 }, ErrorCode.INVALID_REQUEST, /numPartitions was not set to -1/],
      [assigned([0, []]), {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT, /empty replica list/],
      [assigned([0, [1, 1]]), {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT, /broker 1 more than once/],
      [assigned([0, [9]]), {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT, /broker 9, but no such broker/],
      [assigned([0, [1]], [0, [1]]), {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT, /multiple manual partition assignments/],
      [assigned([0, [1]], [2, [1]]), {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT, /consecutive 0-based/],
      [assigned([0, [1]], [1, [1, 2]]), {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT, /not consistent/],
      [assigned([0, [2]]), {}, ErrorCode.INVALID_REPLICA_ASSIGNMENT, /partition 0 are fenced/],
    ])('%j with %j is refused', async (assignments, fields, errorCode, message) => {
      await world.register(2)
      expect(await create(assignments, fields)).toMatchObject({
        errorCode,
        errorMessage: expect.stringMatching(message),
      })
    })
  })

  test('without a broker that could lead there is no topic', async () => {
    await world.heartbeat(1, { wantFence: true })
    const { topics } = await world.createTopics(['x'])
    expect(topics[0]).toMatchObject({
      errorCode: ErrorCode.INVALID_REPLICATION_FACTOR,
      errorMessage: expect.stringMatching(/All brokers are currently fenced/),
    })
  })
})

test('thousands of topics in a request, created and deleted, take no time that grows with their square', async () => {
  const names = Array.from({ length: 4000 }, (_, i) => `t.${i}`)
  const startMs = performance.now()
  const { topics } = await world.createTopics(names)
  expect(topics.every(({ errorCode }) => errorCode === 0)).toBe(true)
  const again = await world.createTopics(names)
  expect(again.topics.every(({ errorCode }) => errorCode === ErrorCode.TOPIC_ALREADY_EXISTS)).toBe(true)
  const { responses } = await world.deleteTopics({ topics: names.map(name => ({ name })) })
  expect(responses.every(({ errorCode }) => errorCode === 0)).toBe(true)
  expect(performance.now() - startMs).toBeLessThan(5000)
})

describe('DeleteTopics', () => {
  let topicId: string
  beforeEach(async () => {
    topicId = (await world.createTopics(['a', 'b'])).topics[0]?.topicId as string
  })

  test('deletes by name up to version 5 and by name or id from version 6 on', async () => {
    const old = await world.deleteTopics({ topicNames: ['b'] }, 5)
    expect(old.responses).toMatchObject([{ name: 'b', errorCode: 0 }])
    const { responses } = await world.deleteTopics({ topics: [{ topicId }] })
    expect(responses).toMatchObject([{ name: 'a', topicId, errorCode: 0 }])
    expect(world.image.topics.size).toBe(0)
  })

  test('a topic made again under the same name has a new id and no old settings', async () => {
    await world.alterTopic('a', ['retention.ms', 0, '5'])
    await world.deleteTopics({ topics: [{ name: 'a' }] })
    const again = (await world.createTopics(['a'])).topics[0]
    expect(again?.topicId).not.toBe(topicId)
    expect(world.image.configs.get(2, 'a').size).toBe(0)
  })

  test.each<[string, { name?: string; topicId?: string }[], number, RegExp]>([
    ['an unknown name', [{ name: 'no' }], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, /./],
    ['an unknown id', [{ topicId: 'AAAAAAAAAAAAAAAAAAAAZg' }], ErrorCode.UNKNOWN_TOPIC_ID, /./],
    ['neither name nor id, twice', [{}, {}], ErrorCode.INVALID_REQUEST, /Neither topic name nor id/],
    [
      'both',
      [{ name: 'a', topicId: 'AAAAAAAAAAAAAAAAAAAAZg' }],
      ErrorCode.INVALID_REQUEST,
      /both topic name and topic id/,
    ],
    ['a name twice', [{ name: 'a' }, { name: 'a' }], ErrorCode.INVALID_REQUEST, /Duplicate topic name/],
  ])('%s is refused', async (_, topics, errorCode, message) => {
    const { responses } = await world.deleteTopics({ topics })
    for (const response of responses) {
      expect(response).toMatchObject({ errorCode, errorMessage: expect.stringMatching(message) })
    }
    expect(world.image.topics.size).toBe(2)
  })

  test('a topic asked for twice, by id or by name and id, is answered once and stays', async () => {
    const twice = await world.deleteTopics({ topics: [{ topicId }, { topicId }] })
    expect(twice.responses.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.INVALID_REQUEST])
    const both = await world.deleteTopics({ topics: [{ topicId }, { name: 'a' }] })
    expect(both.responses).toMatchObject([
      {
        name: 'a',
        topicId,
        errorCode: ErrorCode.INVALID_REQUEST,
        errorMessage: expect.stringMatching(/already supplied/),
      },
    ])
    expect(world.image.topics.byName('a')).toBeDefined()
  })

  test('delete.topic.enable=false refuses, with the error the version knows', async () => {
    const strict = await World.start({ overrides: { 'delete.topic.enable': 'false' } })
    await strict.join(1)
    await strict.createTopics(['a'])
    const now = await strict.deleteTopics({ topics: [{ name: 'a' }] })
    const old = await strict.deleteTopics({ topicNames: ['a'] }, 2)
    expect(now.responses[0]?.errorCode).toBe(ErrorCode.TOPIC_DELETION_DISABLED)
    expect(old.responses[0]?.errorCode).toBe(ErrorCode.INVALID_REQUEST)
  })
})

describe('CreatePartitions', () => {
  beforeEach(async () => {
    await world.createTopics([{ name: 'a', numPartitions: 2 }])
  })
  const grow = async (count: number, fields: object = {}) =>
    (await world.createPartitions({ topics: [{ name: 'a', count, assignments: null, ...fields }] })).results[0]

  test('adds partitions after those that exist', async () => {
    expect(await grow(4)).toEqual({ name: 'a', errorCode: 0, errorMessage: null })
    expect(world.image.topics.byName('a')?.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2, 3])
  })

  test('follows an assignment by hand', async () => {
    expect(await grow(3, { assignments: [{ brokerIds: [1] }] })).toMatchObject({ errorCode: 0 })
  })

  test('only looks when asked to validate, and always answers', async () => {
    const answer = await world.createPartitions({
      topics: [{ name: 'a', count: 5, assignments: null }],
      validateOnly: true,
    })
    expect(answer.results).toEqual([{ name: 'a', errorCode: 0, errorMessage: null }])
    expect(world.image.topics.byName('a')?.partitions).toHaveLength(2)
    expect((await world.createPartitions({ topics: [] })).results).toEqual([])
  })

  test.each([
    [2, {}, ErrorCode.INVALID_PARTITIONS, /already has 2 partition/],
    [1, {}, ErrorCode.INVALID_PARTITIONS, /currently has 2 partition\(s\); 1 would not be an increase/],
    [-1, {}, ErrorCode.INVALID_PARTITIONS, /would not be an increase/],
    [20_000, {}, ErrorCode.POLICY_VIOLATION, /Excessively large/],
    [3, { name: 'no' }, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, /./],
    [4, { assignments: [{ brokerIds: [1] }] }, ErrorCode.INVALID_REPLICA_ASSIGNMENT, /but 1 assignment/],
    [3, { assignments: [{ brokerIds: [7] }] }, ErrorCode.INVALID_REPLICA_ASSIGNMENT, /no such broker/],
    [3, { assignments: [{ brokerIds: [] }] }, ErrorCode.INVALID_REPLICA_ASSIGNMENT, /empty replica list/],
  ])('%d with %j is refused', async (count, fields, errorCode, message) => {
    expect(await grow(count, fields)).toMatchObject({ errorCode, errorMessage: expect.stringMatching(message) })
  })

  test('a topic twice in a request is refused', async () => {
    const topic = { name: 'a', count: 3, assignments: null }
    const { results } = await world.createPartitions({ topics: [topic, topic] })
    expect(results).toMatchObject([{ errorCode: ErrorCode.INVALID_REQUEST, errorMessage: 'Duplicate topic name.' }])
  })
})

describe('IncrementalAlterConfigs', () => {
  const SET = 0
  const DELETE = 1
  const APPEND = 2
  const SUBTRACT = 3
  const settings = () => Object.fromEntries(world.image.configs.get(2, 'a'))
  beforeEach(async () => {
    await world.createTopics([{ name: 'a', configs: [{ name: 'retention.ms', value: '5' }] }])
  })

  test('sets and deletes', async () => {
    const { responses } = await world.alterTopic('a', ['segment.ms', SET, '7'], ['retention.ms', DELETE, null])
    expect(responses).toEqual([{ errorCode: 0, errorMessage: null, resourceType: 2, resourceName: 'a' }])
    expect(settings()).toEqual({ 'segment.ms': '7' })
  })

  test('appends to the list a topic has, its own or the default, each value once', async () => {
    await world.alterTopic('a', ['cleanup.policy', APPEND, 'compact,delete'])
    expect(settings()).toMatchObject({ 'cleanup.policy': 'delete,compact' })
    await world.alterTopic('a', ['cleanup.policy', SUBTRACT, 'delete'])
    expect(settings()).toMatchObject({ 'cleanup.policy': 'compact' })
  })

  test('writes nothing when nothing changes', async () => {
    const before = world.log.endOffset
    await world.alterTopic('a', ['retention.ms', SET, '5'], ['segment.ms', DELETE, null])
    expect(world.log.endOffset).toBe(before)
  })

  test('only looks when asked to validate', async () => {
    const configs = [{ name: 'retention.ms', configOperation: SET, value: '9' }]
    await world.alterConfigs({ resources: [{ resourceType: 2, resourceName: 'a', configs }], validateOnly: true })
    expect(settings()).toEqual({ 'retention.ms': '5' })
  })

  test('a resource with one bad value changes nothing, the others change', async () => {
    await world.createTopics(['b'])
    const change = (resourceName: string, ...values: [string, string][]) => ({
      resourceType: 2,
      resourceName,
      configs: values.map(([name, value]) => ({ name, configOperation: SET, value })),
    })
    const { responses } = await world.alterConfigs({
      resources: [change('a', ['retention.ms', '9'], ['segment.ms', 'x']), change('b', ['retention.ms', '9'])],
    })
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.INVALID_CONFIG, 0])
    expect(settings()).toEqual({ 'retention.ms': '5' })
  })

  test.each<[string, [string, number, string | null][], number, RegExp]>([
    ['a', [['no.such', SET, '1']], ErrorCode.INVALID_CONFIG, /Unknown topic config name: no.such/],
    ['a', [['segment.bytes', SET, '14']], ErrorCode.INVALID_CONFIG, /at least 1048576/],
    ['a', [['retention.ms', APPEND, '1']], ErrorCode.INVALID_CONFIG, /Can't APPEND to key retention.ms/],
    ['a', [['retention.ms', SUBTRACT, '1']], ErrorCode.INVALID_CONFIG, /Can't SUBTRACT from key retention.ms/],
    ['a', [['retention.ms', SET, null]], ErrorCode.INVALID_REQUEST, /Null value not supported for : retention.ms/],
    ['a', [['retention.ms', 9, '1']], ErrorCode.INVALID_REQUEST, /Unknown operation type 9/],
    [
      'a',
      [
        ['retention.ms', SET, '1'],
        ['retention.ms', DELETE, null],
      ],
      ErrorCode.INVALID_REQUEST,
      /duplicate config keys/,
    ],
    ['no', [['retention.ms', SET, '1']], ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, /'no' does not exist/],
    ['n/o', [['retention.ms', SET, '1']], ErrorCode.INVALID_TOPIC_EXCEPTION, /other than ASCII/],
  ])('of %j: %j is refused', async (name, changes, errorCode, message) => {
    const { responses } = await world.alterTopic(name, ...changes)
    expect(responses[0]).toMatchObject({ errorCode, errorMessage: expect.stringMatching(message) })
    expect(settings()).toEqual({ 'retention.ms': '5' })
  })

  test('a resource twice, and one that is no topic, are refused', async () => {
    const resource = { resourceType: 2, resourceName: 'a', configs: [] }
    const { responses } = await world.alterConfigs({
      resources: [resource, resource, { resourceType: 4, resourceName: '1', configs: [] }],
    })
    const twice = { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: 'Each resource must appear at most once.' }
    expect(responses).toMatchObject([
      { resourceName: 'a', ...twice },
      { resourceName: 'a', ...twice },
      { resourceName: '1', errorCode: ErrorCode.INVALID_REQUEST },
    ])
  })
})
