import { describe, expect, test } from 'vitest'
import {
  BrokerConfig,
  ConfigSource,
  describeBrokerConfigs,
  describeTopicConfigs,
  nearestName,
  TopicConfig,
  validateTopicOverrides,
} from '#config'

const plain = BrokerConfig.load()
const load = (overrides: Record<string, string>): BrokerConfig => BrokerConfig.load({ overrides })
const overriding = (overrides: Record<string, string>): Map<string, string> => new Map(Object.entries(overrides))

describe('topic settings', () => {
  test("come from the topic, then from the broker's name for them, then from the default", () => {
    const broker = load({ 'log.retention.ms': '5000', 'message.max.bytes': '2000' })
    const topic = new TopicConfig(broker, overriding({ 'max.message.bytes': '3000' }))
    expect(topic.get('max.message.bytes')).toBe(3000)
    expect(topic.get('retention.ms')).toBe(5000n)
    expect(topic.get('segment.bytes')).toBe(1_073_741_824)
    expect(broker.topicDefaults.get('max.message.bytes')).toBe(2000)
  })

  test.each([
    [{ 'log.retention.hours': '1' }, 3_600_000n],
    [{ 'log.retention.hours': '1', 'log.retention.minutes': '2' }, 120_000n],
    [{ 'log.retention.hours': '1', 'log.retention.minutes': '2', 'log.retention.ms': '3' }, 3n],
    [{ 'log.retention.minutes': '-1' }, -1n],
    [{ 'log.retention.ms': '-7' }, -1n],
  ])('retention follows the finest unit the broker sets: %j', (overrides, expected) => {
    expect(load(overrides as never).topicDefaults.get('retention.ms')).toBe(expected)
  })

  test('are found for a topic of an image', () => {
    const image = {
      configs: { get: (type: number, name: string) => overriding({ 'segment.ms': `${type}${name.length}` }) },
    }
    expect(plain.topicConfig(image, 'abc').get('segment.ms')).toBe(23n)
  })
})

describe('overrides of a topic are refused', () => {
  test.each([
    [{ 'segment.bytes': '1048575' }, /Value must be at least 1048576/],
    [{ 'retention.ms': '-2' }, /Value must be at least -1/],
    [{ 'retention.ms': 'abc' }, 'Invalid value abc for configuration retention.ms: Not a number of type LONG'],
    [{ 'cleanup.policy': 'shred' }, /must be one of: compact, delete/],
    [{ 'retention.msec': '1' }, 'Unknown topic config name: retention.msec. Did you mean retention.ms?'],
    [{ 'message.timestamp.difference.max.ms': '1' }, /Unknown topic config name: message.timestamp.difference.max.ms/],
    [{ 'log.retention.ms': '1' }, /Unknown topic config name/],
    [
      { 'min.compaction.lag.ms': '10', 'max.compaction.lag.ms': '9' },
      /min.compaction.lag.ms \(10\) must not be greater/,
    ],
    [{ 'remote.storage.enable': 'true' }, /tiered storage is off/],
    [{ 'leader.replication.throttled.replicas': '0:1,x' }, /pairs of partition and broker/],
  ])('%j', (overrides, message) => {
    expect(() => validateTopicOverrides(plain, overriding(overrides as never))).toThrow(message)
  })

  test('and accepted when they are right, also an empty cleanup policy', () => {
    const overrides = { 'cleanup.policy': '', 'leader.replication.throttled.replicas': '*', 'retention.bytes': '-1' }
    expect(() => validateTopicOverrides(plain, overriding(overrides))).not.toThrow()
  })
})

describe('DescribeConfigs of a topic', () => {
  const byName = (broker: BrokerConfig, overrides: Record<string, string> = {}) =>
    new Map(describeTopicConfigs(broker, overriding(overrides)).map(entry => [entry.name, entry]))

  test('lists every setting in order, without the internal ones', () => {
    const names = [...byName(plain).keys()]
    expect(names).toHaveLength(34)
    expect(names).toEqual([...names].sort())
    expect(names).not.toContain('internal.segment.bytes')
  })

  test('says where a value comes from and what else could have said it', () => {
    const entries = byName(load({ 'message.max.bytes': '2000' }), { 'max.message.bytes': '3000' })
    expect(entries.get('max.message.bytes')).toMatchObject({
      value: '3000',
      configSource: ConfigSource.DYNAMIC_TOPIC_CONFIG,
      isDefault: false,
      readOnly: false,
      configType: 3,
      synonyms: [
        { name: 'max.message.bytes', value: '3000', source: ConfigSource.DYNAMIC_TOPIC_CONFIG },
        { name: 'message.max.bytes', value: '2000', source: ConfigSource.STATIC_BROKER_CONFIG },
        { name: 'message.max.bytes', value: '1048588', source: ConfigSource.DEFAULT_CONFIG },
      ],
    })
  })

  test('calls a retention set in hours the default of retention.ms, as Kafka does', () => {
    const entry = byName(load({ 'log.retention.hours': '24' })).get('retention.ms')
    expect(entry).toMatchObject({ value: '86400000', configSource: ConfigSource.DEFAULT_CONFIG, synonyms: [] })
  })

  test('shows only what is asked for', () => {
    expect(describeTopicConfigs(plain, new Map(), new Set(['segment.ms', 'no.such'])).map(entry => entry.name)).toEqual(
      ['segment.ms'],
    )
  })

  test('writes doubles as Java does', () => {
    expect(byName(plain, { 'min.cleanable.dirty.ratio': '1' }).get('min.cleanable.dirty.ratio')?.value).toBe('1.0')
  })
})

describe('DescribeConfigs of a broker', () => {
  const byName = (broker: BrokerConfig) => new Map(describeBrokerConfigs(broker).map(entry => [entry.name, entry]))

  test('tells static settings from defaults, and what can change while it runs', () => {
    const entries = byName(load({ 'log.segment.bytes': '2097152' }))
    expect(entries.get('log.segment.bytes')).toMatchObject({
      value: '2097152',
      configSource: ConfigSource.STATIC_BROKER_CONFIG,
      readOnly: false,
    })
    expect(entries.get('node.id')).toMatchObject({ value: '1', readOnly: true, isDefault: true })
    expect(entries.get('log.cleaner.io.max.bytes.per.second')?.value).toBe('1.7976931348623157E308')
    expect(entries.get('log.retention.ms')).toMatchObject({ value: null, synonyms: [], isDefault: true })
  })

  test('never shows a password', () => {
    const entries = byName(load({ 'ssl.key.password': 'hunter2' }))
    expect(entries.get('ssl.key.password')).toMatchObject({
      value: null,
      isSensitive: true,
      synonyms: [{ value: null }],
    })
    expect(JSON.stringify([...entries.values()]).includes('hunter2')).toBe(false)
  })
})

describe('the nearest name', () => {
  const names = ['retention.ms', 'retention.bytes', 'segment.ms']

  test.each([
    ['retension.ms', 'retention.ms'],
    ['retention.byte', 'retention.bytes'],
    ['segments.ms', 'segment.ms'],
    ['zookeeper', null],
    ['', null],
  ])('of %j is %j', (name, expected) => {
    expect(nearestName(name, names)).toBe(expected)
  })
})
