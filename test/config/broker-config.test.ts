import { describe, expect, test } from 'vitest'
import {
  BrokerConfig,
  brokerSettings,
  ConfigError,
  parseOverride,
  parseValue,
  topicSettings,
  topicSynonyms,
} from '#config'
import { manualHost } from '#host'

function fromFile(text: string, overrides: Record<string, string> = {}): BrokerConfig {
  const { files } = manualHost()
  files.writeAtomicSync('/server.properties', text)
  return BrokerConfig.load({ file: '/server.properties', files, overrides, cores: 8 })
}

/** The file Apache Kafka's distribution suggests for one node, without its comments. */
const KAFKA_SERVER_PROPERTIES = `
# a comment
! another
process.roles=broker,controller
node.id=7
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
log.dirs=/tmp/one, \\
  /tmp/two\\u0020x
num.partitions = 4
num.recovery.threads.per.data.dir: 1
offsets.topic.replication.factor=1
log.retention.hours=168
log.segment.bytes=1073741824
`

describe('without any configuration', () => {
  const config = BrokerConfig.load({ cores: 8 })

  test('there is a broker with its controller on the loopback address', () => {
    expect(config.get('listeners')).toEqual(['PLAINTEXT://127.0.0.1:9092'])
    expect(config.nodeId).toBe(1)
    expect(config.get('process.roles')).toEqual(['broker', 'controller'])
    expect(config.logDirs).toEqual(['./millrace-data'])
    expect(config.metadataLogDir).toBe('./millrace-data')
    expect(config.get('flush.policy')).toBe('sync')
    expect(config.warnings).toEqual([])
  })

  test('internal topics get the one replica that a single node can have', () => {
    expect(config.get('offsets.topic.replication.factor')).toBe(1)
    expect(config.isSet('offsets.topic.replication.factor')).toBe(false)
  })

  test('network threads are half the cores, at least one', () => {
    expect(config.get('num.network.threads')).toBe(4)
    expect(BrokerConfig.load({ cores: 1 }).get('num.network.threads')).toBe(1)
  })

  test('int64 settings are bigints and "no limit" is the largest safe number', () => {
    expect(config.get('log.flush.interval.messages')).toBe(2n ** 63n - 1n)
    expect(config.number('log.flush.interval.messages')).toBe(Number.MAX_SAFE_INTEGER)
    expect(config.number('log.retention.ms')).toBeNull()
  })
})

describe('properties files', () => {
  test("Kafka's own server.properties is read as it is", () => {
    const config = fromFile(KAFKA_SERVER_PROPERTIES)
    expect(config.warnings).toEqual([])
    expect(config.nodeId).toBe(7)
    expect(config.logDirs).toEqual(['/tmp/one', '/tmp/two x'])
    expect(config.get('num.partitions')).toBe(4)
    expect(config.get('num.recovery.threads.per.data.dir')).toBe(1)
    expect(config.get('advertised.listeners')).toEqual(['PLAINTEXT://localhost:9092', 'CONTROLLER://localhost:9093'])
  })

  test('a file from before KRaft works, with one warning for each name that lost its meaning', () => {
    const config = fromFile('broker.id=3\nzookeeper.connect=zk:2181/kafka\nlog.dir=/data\nport=9092\n')
    expect(config.nodeId).toBe(3)
    expect(config.logDirs).toEqual(['/data'])
    expect(config.warnings).toHaveLength(2)
    expect(config.warnings[0]).toMatch(/zookeeper.connect has no effect: .*controller is part of this process/)
    expect(config.warnings[1]).toMatch(/port has no effect: use listeners/)
  })

  test.each(['broker.id=1\nnode.id=2', 'node.id=2\nbroker.id=1'])('two different ids (%j) are an error', text => {
    expect(() => fromFile(text)).toThrow(/node.id is set to/)
  })

  test('an unknown name is a warning that names the nearest one, and a plug-in name is none', () => {
    const config = fromFile(
      'log.retention.hour=1\nrsm.config.bucket=b\nlistener.name.x.ssl.key=k\nnothing.like.it.at.all=1',
    )
    expect(config.warnings).toEqual([
      'log.retention.hour is not a setting of the broker: did you mean log.retention.hours?',
      'nothing.like.it.at.all is not a setting of the broker',
    ])
  })

  test('a missing file is named', () => {
    expect(() => BrokerConfig.load({ file: '/no/such.properties' })).toThrow(
      /no properties file at \/no\/such.properties/,
    )
  })
})

describe('overrides', () => {
  test('win over the file', () => {
    const config = fromFile('num.partitions=4\nbroker.id=1', { 'num.partitions': '9', 'node.id': '5' })
    expect(config.get('num.partitions')).toBe(9)
    expect(config.nodeId).toBe(5)
  })

  test('an unknown name is an error that names the nearest one', () => {
    expect(() => BrokerConfig.load({ overrides: { 'log.dir.s': 'x' } })).toThrow(
      new ConfigError('log.dir.s is not a setting of the broker: did you mean log.dirs?'),
    )
  })

  test('are written name=value, and the value may hold equals signs', () => {
    expect(parseOverride('sasl.jaas.config=a b="c=d";')).toEqual(['sasl.jaas.config', 'a b="c=d";'])
    expect(() => parseOverride('num.partitions')).toThrow(/write it as name=value/)
    expect(() => parseOverride('=3')).toThrow(ConfigError)
  })
})

describe('values out of their limits are named with what would be right', () => {
  test.each([
    ['num.partitions', 'many', 'Invalid value many for configuration num.partitions: Not a number of type INT'],
    ['num.partitions', '0', 'Invalid value 0 for configuration num.partitions: Value must be at least 1'],
    ['num.partitions', '2147483648', /Not a number of type INT/],
    ['log.segment.bytes', '1048575', /Value must be at least 1048576/],
    ['log.cleaner.min.cleanable.ratio', '1.5', /Value must be no more than 1/],
    ['log.cleaner.min.cleanable.ratio', 'half', /Not a number of type DOUBLE/],
    ['compression.gzip.level', '0', /Value must be at least 1, or -1/],
    ['auto.create.topics.enable', 'yes', /Expected true or false/],
    ['compression.type', 'brotli', /'brotli' must be one of: uncompressed, zstd/],
    ['log.cleanup.policy', 'compact,compact', /'compact' appears twice/],
    ['log.cleanup.policy', 'delete,,compact', /empty entry/],
    ['log.dirs', '', /must not be empty/],
    ['flush.policy', 'never', /'never' must be one of: sync, replicated, relaxed/],
    ['offsets.topic.replication.factor', '40000', /Not a number of type SHORT/],
  ])('%s=%s', (name, value, message) => {
    expect(() => BrokerConfig.load({ overrides: { [name]: value } })).toThrow(message)
  })

  test('a password is not repeated in the message', () => {
    const definition = { ...(brokerSettings.get('ssl.key.password') as never as object), limits: { oneOf: ['x'] } }
    expect(() => parseValue(definition as never, 'secret')).toThrow(/\[hidden\]/)
  })
})

describe('what this version cannot do is refused, not ignored', () => {
  test.each([
    [{ 'process.roles': 'broker' }, /Use process.roles=broker,controller/],
    [{ 'controller.quorum.voters': '1@a:1,2@b:1,3@c:1' }, /a quorum of one/],
    [{ 'controller.quorum.bootstrap.servers': 'a:1,b:2' }, /a quorum of one/],
    [
      { 'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer' },
      /cannot check what clients/,
    ],
    [{ 'remote.log.storage.system.enable': 'true' }, /no tiered storage/],
  ])('%j', (overrides, message) => {
    expect(() => BrokerConfig.load({ overrides: overrides as never })).toThrow(message)
  })
})

describe('the tables', () => {
  test('every default lies within the limits of its own setting', () => {
    for (const definition of [...brokerSettings.values(), ...topicSettings.values()]) {
      expect(() => parseValue(definition, definition.defaultText), definition.name).not.toThrow()
    }
  })

  test('every setting is documented in a sentence', () => {
    for (const { name, doc } of [...brokerSettings.values(), ...topicSettings.values()]) {
      expect(doc, name).toMatch(/^[A-Z].*[.]$/)
    }
  })

  test('every synonym of a topic setting exists on both sides', () => {
    for (const [name, synonyms] of Object.entries(topicSynonyms)) {
      expect(topicSettings.has(name), name).toBe(true)
      for (const synonym of synonyms) expect(brokerSettings.has(synonym.name), synonym.name).toBe(true)
    }
  })

  test('a topic that overrides nothing has the defaults of its own table', () => {
    const { topicDefaults } = BrokerConfig.load()
    for (const { name, type, defaultText } of topicSettings.values()) {
      const shown = type === 'double' ? topicDefaults.text(name)?.replace(/\.0$/, '') : topicDefaults.text(name)
      expect(shown, name).toBe(defaultText)
    }
  })
})
