// Owns the cases of settings over the wire: DescribeConfigs and IncrementalAlterConfigs.
import { describeConfigs, incrementalAlterConfigs } from '#protocol'
import { type AnswerCase, ask } from './answer-case.ts'

const TOPIC = 2
const BROKER = 4
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3]

const look = (
  what: string,
  resourceType: number,
  resourceName: string,
  configurationKeys: readonly string[] | null,
  flags: { includeSynonyms?: boolean } = {},
) => ask(describeConfigs, what, () => ({ resources: [{ resourceType, resourceName, configurationKeys }], ...flags }))

const KEYS = ['retention.ms', 'cleanup.policy', 'segment.bytes', 'max.message.bytes', 'compression.type']

const descriptions = [
  look('settings of a topic', TOPIC, 'configured', KEYS),
  look('every setting of a topic', TOPIC, 'configured', null),
  look('with synonyms', TOPIC, 'configured', KEYS, { includeSynonyms: true }),
  look('a setting that does not exist', TOPIC, 'configured', ['no.such.setting']),
  look('no keys', TOPIC, 'configured', []),
  look('an unknown topic', TOPIC, 'nowhere', null),
  look('an empty topic name', TOPIC, '', null),
  look('a bad topic name', TOPIC, 'a/b', null),
  look('a setting of the broker', BROKER, '1', ['num.partitions', 'log.segment.bytes', 'message.max.bytes']),
  look('a setting of the broker, with synonyms', BROKER, '1', ['log.retention.ms', 'log.segment.bytes'], {
    includeSynonyms: true,
  }),
  look('settings of all brokers', BROKER, '', ['log.segment.bytes']),
  look('another broker', BROKER, '77', ['log.segment.bytes']),
  look('a broker that is no number', BROKER, 'one', ['log.segment.bytes']),
  look('a resource type that does not exist', 99, 'x', null),
  look('resource type 0', 0, 'x', null),
  look('a negative resource type', -1, 'x', null),
  ask(describeConfigs, 'no resources', () => ({ resources: [] })),
  ask(describeConfigs, 'one resource twice', () => ({
    resources: [
      { resourceType: TOPIC, resourceName: 'configured', configurationKeys: ['retention.ms'] },
      { resourceType: TOPIC, resourceName: 'configured', configurationKeys: ['segment.bytes'] },
    ],
  })),
]

interface Change {
  readonly name: string
  readonly value: string | null
  readonly operation?: number
}

const alter = (
  what: string,
  changes: readonly Change[],
  options: { name?: string; type?: number; validateOnly?: boolean } = {},
) =>
  ask(incrementalAlterConfigs, what, () => ({
    resources: [
      {
        resourceType: options.type ?? TOPIC,
        resourceName: options.name ?? 'configured',
        configs: changes.map(({ name, value, operation = SET }) => ({ name, value, configOperation: operation })),
      },
    ],
    validateOnly: options.validateOnly ?? false,
  }))

const policyIs = (what: string) => look(what, TOPIC, 'configured', ['cleanup.policy', 'retention.ms'])

const changes = [
  alter('set', [{ name: 'retention.ms', value: '777777' }]),
  look('what was set', TOPIC, 'configured', ['retention.ms']),
  alter('delete', [{ name: 'retention.ms', value: null, operation: DELETE }]),
  alter('delete what was never set', [{ name: 'flush.ms', value: null, operation: DELETE }]),
  alter('append to a list', [{ name: 'cleanup.policy', value: 'compact', operation: APPEND }]),
  policyIs('after the append'),
  alter('append what is there', [{ name: 'cleanup.policy', value: 'compact', operation: APPEND }]),
  alter('subtract from a list', [{ name: 'cleanup.policy', value: 'delete', operation: SUBTRACT }]),
  policyIs('after the subtraction'),
  alter('subtract what is not there', [{ name: 'cleanup.policy', value: 'delete', operation: SUBTRACT }]),
  alter('set a list back', [{ name: 'cleanup.policy', value: 'delete' }]),
  alter('append to a number', [{ name: 'retention.ms', value: '1', operation: APPEND }]),
  alter('subtract from a number', [{ name: 'retention.ms', value: '1', operation: SUBTRACT }]),
  alter('an operation that does not exist', [{ name: 'retention.ms', value: '1', operation: 9 }]),
  alter('a negative operation', [{ name: 'retention.ms', value: '1', operation: -1 }]),
  alter('set to null', [{ name: 'retention.ms', value: null }]),
  alter('append null', [{ name: 'cleanup.policy', value: null, operation: APPEND }]),
  alter('a setting that does not exist', [{ name: 'no.such.setting', value: '1' }]),
  alter('delete a setting that does not exist', [{ name: 'no.such.setting', value: null, operation: DELETE }]),
  alter('an empty setting name', [{ name: '', value: '1' }]),
  alter('a number that is none', [{ name: 'retention.ms', value: 'soon' }]),
  alter('a number out of range', [{ name: 'max.message.bytes', value: '-1' }]),
  alter('segments too small', [{ name: 'segment.bytes', value: '1000' }]),
  alter('a choice that does not exist', [{ name: 'cleanup.policy', value: 'shred' }]),
  alter('a good and a bad setting', [
    { name: 'retention.ms', value: '888888' },
    { name: 'segment.bytes', value: 'x' },
  ]),
  policyIs('after a good and a bad setting'),
  alter('one setting twice', [
    { name: 'retention.ms', value: '1' },
    { name: 'retention.ms', value: '2' },
  ]),
  alter('no changes', []),
  alter('only validated', [{ name: 'retention.ms', value: '999999' }], { validateOnly: true }),
  alter('a bad value, only validated', [{ name: 'retention.ms', value: 'x' }], { validateOnly: true }),
  policyIs('after a validation'),
  alter('an unknown topic', [{ name: 'retention.ms', value: '1' }], { name: 'nowhere' }),
  alter('an empty topic name', [{ name: 'retention.ms', value: '1' }], { name: '' }),
  alter('a bad topic name', [{ name: 'retention.ms', value: '1' }], { name: 'a/b' }),
  alter('another broker', [{ name: 'log.segment.bytes', value: '2000000' }], { type: BROKER, name: '77' }),
  alter('a broker that is no number', [{ name: 'log.segment.bytes', value: '2000000' }], { type: BROKER, name: 'one' }),
  alter('a setting no broker takes while it runs', [{ name: 'process.roles', value: 'x' }], {
    type: BROKER,
    name: '1',
  }),
  alter('a resource type that does not exist', [{ name: 'x', value: '1' }], { type: 99 }),
  alter('resource type 0', [{ name: 'x', value: '1' }], { type: 0 }),
  ask(incrementalAlterConfigs, 'no resources', () => ({ resources: [] })),
  ask(incrementalAlterConfigs, 'one resource twice', () => ({
    resources: [
      {
        resourceType: TOPIC,
        resourceName: 'configured',
        configs: [{ name: 'retention.ms', configOperation: SET, value: '5' }],
      },
      {
        resourceType: TOPIC,
        resourceName: 'configured',
        configs: [{ name: 'flush.ms', configOperation: SET, value: '6' }],
      },
    ],
  })),
]

export const configCases: readonly AnswerCase[] = [...descriptions, ...changes]
