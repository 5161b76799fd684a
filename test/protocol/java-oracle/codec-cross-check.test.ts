// Cross-check of every codec against the classes Apache Kafka 4.3.1 generates from its own schemas, in both directions.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  apis,
  consumerAssignmentSchema,
  consumerSubscriptionSchema,
  controlRecordSchemas,
  decodeMessage,
  decodeMetadataRecord,
  encodeMessage,
  encodeMetadataRecord,
  groupMetadataKey,
  groupMetadataKeySchema,
  groupMetadataValue,
  groupMetadataValueSchema,
  metadataRecordSchemas,
  offsetCommitKey,
  offsetCommitKeySchema,
  offsetCommitValue,
  offsetCommitValueSchema,
  type Fields,
  type Message,
  type MetadataRecordInput,
} from '#protocol'
import { canonical, kafkaJson, randomMessage } from '../random-message.ts'
import { SeededRandom } from '../seeded-random.ts'
import { Oracle, type OracleMode } from './oracle.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? 431)
const MESSAGES_PER_PAIR = Number(process.env['MILLRACE_CROSS_CHECK_MESSAGES'] ?? 40)

type Plain = Record<string, unknown>

interface Subject {
  readonly title: string
  readonly javaName: string
  readonly mode: OracleMode
  readonly described: Message
  readonly encode: (version: number, value: Plain) => Buffer
  readonly decode: (version: number, bytes: Buffer) => unknown
}

function plain(title: string, javaName: string, described: Message): Subject {
  return {
    title,
    javaName,
    mode: 'p',
    described,
    encode: (version, value) => encodeMessage(described, version, value),
    decode: (version, bytes) => decodeMessage(described, version, bytes),
  }
}

const data = 'org.apache.kafka.common.message'
const groups = 'org.apache.kafka.coordinator.group.generated'

const apiSubjects = [...apis.values()].flatMap(api =>
  (['Request', 'Response'] as const).map(direction => {
    const fields: Fields = direction === 'Request' ? api.request : api.response
    const { versions, flexible } = api
    const name = `${api.name}${direction}`
    return plain(name, `${data}.${name}Data`, { name, versions, flexible, fields })
  }),
)

const metadataSubjects = Object.values(metadataRecordSchemas).map(
  (schema): Subject => ({
    title: schema.name,
    javaName: `org.apache.kafka.common.metadata.${schema.name}`,
    mode: 'm',
    described: schema,
    encode: (version, value) => encodeMetadataRecord({ type: schema.name, version, ...value } as MetadataRecordInput),
    decode: (_version, bytes) => {
      const { type, version, ...fields } = decodeMetadataRecord(bytes)
      expect(type).toBe(schema.name)
      expect(typeof version).toBe('number')
      return fields
    },
  }),
)

const otherSubjects: readonly Subject[] = [
  plain('LeaderChangeMessage', `${data}.LeaderChangeMessage`, controlRecordSchemas.LeaderChange),
  plain('SnapshotHeaderRecord', `${data}.SnapshotHeaderRecord`, controlRecordSchemas.SnapshotHeader),
  plain('SnapshotFooterRecord', `${data}.SnapshotFooterRecord`, controlRecordSchemas.SnapshotFooter),
  plain('KRaftVersionRecord', `${data}.KRaftVersionRecord`, controlRecordSchemas.KRaftVersion),
  plain('VotersRecord', `${data}.VotersRecord`, controlRecordSchemas.KRaftVoters),
  plain('EndTxnMarker', `${data}.EndTxnMarker`, controlRecordSchemas.Commit),
  plain('ConsumerProtocolSubscription', `${data}.ConsumerProtocolSubscription`, consumerSubscriptionSchema),
  plain('ConsumerProtocolAssignment', `${data}.ConsumerProtocolAssignment`, consumerAssignmentSchema),
  {
    ...plain('OffsetCommitKey', `${groups}.OffsetCommitKey`, offsetCommitKeySchema),
    mode: 't',
    encode: (_version, value) => offsetCommitKey.encode(value as never),
    decode: (version, bytes) => decodeMessage(offsetCommitKeySchema, version, bytes.subarray(2)),
  },
  {
    ...plain('GroupMetadataKey', `${groups}.GroupMetadataKey`, groupMetadataKeySchema),
    mode: 't',
    encode: (_version, value) => groupMetadataKey.encode(value as never),
    decode: (version, bytes) => decodeMessage(groupMetadataKeySchema, version, bytes.subarray(2)),
  },
  {
    ...plain('OffsetCommitValue', `${groups}.OffsetCommitValue`, offsetCommitValueSchema),
    mode: 'v',
    encode: (version, value) => offsetCommitValue.encode(value, version),
    decode: (_version, bytes) => withoutVersion(offsetCommitValue.decode(bytes)),
  },
  {
    ...plain('GroupMetadataValue', `${groups}.GroupMetadataValue`, groupMetadataValueSchema),
    mode: 'v',
    encode: (version, value) => groupMetadataValue.encode(value, version),
    decode: (_version, bytes) => withoutVersion(groupMetadataValue.decode(bytes)),
  },
]

function withoutVersion<T extends { version: number }>(value: T): Omit<T, 'version'> {
  const { version, ...fields } = value
  expect(version).toBeGreaterThanOrEqual(0)
  return fields
}

function versionsOf(subject: Subject): number[] {
  const [min, max] = subject.described.versions
  return Array.from({ length: max - min + 1 }, (_, index) => min + index)
}

let oracle: Oracle

beforeAll(async () => {
  oracle = await Oracle.start()
}, 600_000)

afterAll(async () => {
  await oracle?.stop()
})

/** One message through both codecs; the differences found, as text. */
async function compare(subject: Subject, version: number, value: Plain): Promise<string[]> {
  const { fields } = subject.described
  const at = `${subject.title} v${version} seed ${SEED}`
  const bytes = subject.encode(version, value)
  const differences: string[] = []
  if (canonical(subject.decode(version, bytes)) !== canonical(value)) differences.push(`${at}: own round trip`)
  const json = kafkaJson(fields, version, value, true)
  const answer = await oracle.ask({ mode: subject.mode, name: subject.javaName, version, bytes, json })
  if (!answer.good) return [`${at}: Java says ${answer.text}\n  bytes ${bytes.toString('hex')}\n  json ${json}`]
  if (!answer.reencoded.equals(bytes)) {
    differences.push(
      `${at}: Java re-encodes\n  ours ${bytes.toString('hex')}\n  java ${answer.reencoded.toString('hex')}`,
    )
  }
  if (!answer.fromJson.equals(bytes)) {
    differences.push(
      `${at}: Java encodes from JSON\n  ours ${bytes.toString('hex')}\n  java ${answer.fromJson.toString('hex')}`,
    )
  }
  const expected = kafkaJson(fields, version, value, false)
  if (answer.text !== expected) differences.push(`${at}: values\n  ours ${expected}\n  java ${answer.text}`)
  if (canonical(subject.decode(version, answer.fromJson)) !== canonical(value)) {
    differences.push(`${at}: ours decodes Java's bytes to something else`)
  }
  return differences
}

async function crossCheck(subjects: readonly Subject[], kind: string): Promise<void> {
  const random = new SeededRandom(SEED)
  const differences: string[] = []
  let pairs = 0
  let messages = 0
  for (const subject of subjects) {
    for (const version of versionsOf(subject)) {
      pairs += 1
      const batch: Promise<string[]>[] = []
      for (let index = 0; index < MESSAGES_PER_PAIR; index += 1) {
        batch.push(compare(subject, version, randomMessage(subject.described.fields, version, random)))
      }
      messages += batch.length
      for (const found of await Promise.all(batch)) differences.push(...found)
    }
  }
  process.stdout.write(
    `codec cross-check${kind}, ${messages} random messages, ${differences.length} differences (seed ${SEED})\n`.replace(
      '#',
      String(pairs),
    ),
  )
  expect(differences.slice(0, 5)).toEqual([])
}

describe('codec cross-check with Apache Kafka', () => {
  it('requests and responses are the same bytes and values in every version', async () => {
    await crossCheck(apiSubjects, ': # (API, version, direction) pairs')
  }, 120_000)

  it('metadata, control, coordinator and consumer-protocol records are the same bytes and values', async () => {
    await crossCheck([...metadataSubjects, ...otherSubjects], ' of records: # (record, version) pairs')
  }, 120_000)

  it('a message of defaults is the same bytes in every version', async () => {
    const differences: string[] = []
    for (const subject of apiSubjects) {
      for (const version of versionsOf(subject)) {
        const java = await oracle.ask({ mode: 'd', name: subject.javaName, version })
        // Neither side has a default for records and other non-nullable fields whose default is null.
        if (!java.good) expect(() => subject.encode(version, {})).toThrow()
        else if (!java.reencoded.equals(subject.encode(version, {}))) {
          differences.push(`${subject.title} v${version}: ${java.reencoded.toString('hex')}`)
        }
      }
    }
    expect(differences).toEqual([])
  })
})
