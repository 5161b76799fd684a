// What a node with a thousand partitions does: all of them are there at once, after a stop and after a kill, and cost few file handles.
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTopics, ErrorCode } from '#protocol'
import { type BrokerProcess, startBrokerProcess } from '../clients/broker-process.ts'
import { fetchFrom, produceTo } from './records.ts'
import { WireClient } from './wire-client.ts'

const TOPICS = 10
const PARTITIONS_PER_TOPIC = 100
const RECORDS_PER_OPERATION_MAX = 10_000
const CREATE_TOPICS_VERSION = 7

let broker: BrokerProcess
let rounds = 0
beforeAll(async () => {
  broker = await startBrokerProcess()
})
afterAll(() => broker.remove())

const connected = () => WireClient.open(Number(broker.bootstrap.split(':')[1]))
const newTopic = (name: string, numPartitions: number) => ({
  name,
  numPartitions,
  replicationFactor: 1,
  assignments: [],
  configs: [],
})
const create = (client: WireClient, topics: readonly ReturnType<typeof newTopic>[]) =>
  client.send(createTopics, CREATE_TOPICS_VERSION, { topics, timeoutMs: 60_000, validateOnly: false })
const openFiles = () => readdirSync(`/proc/${broker.pid}/fd`).length

/** One record more in each partition, and each of them answered for, with the offset that follows all earlier rounds. */
async function produceToAll(): Promise<void> {
  const client = await connected()
  for (let at = 0; at < TOPICS * PARTITIONS_PER_TOPIC; at += 1) {
    const partition = at % PARTITIONS_PER_TOPIC
    const topic = `many-${Math.floor(at / PARTITIONS_PER_TOPIC)}`
    const answer = await produceTo(client, topic, [`${at} in round ${rounds}`], partition)
    expect(answer).toMatchObject({ errorCode: ErrorCode.NONE, baseOffset: BigInt(rounds) })
  }
  rounds += 1
  client.close()
}

async function expectAllRounds(): Promise<void> {
  const client = await connected()
  for (let at = 0; at < TOPICS * PARTITIONS_PER_TOPIC; at += 37) {
    const topic = `many-${Math.floor(at / PARTITIONS_PER_TOPIC)}`
    const values = await fetchFrom(client, topic, 0n, at % PARTITIONS_PER_TOPIC)
    expect(values).toEqual(Array.from({ length: rounds }, (_, round) => `${at} in round ${round}`))
  }
  client.close()
}

test('a thousand partitions take records as soon as their creation is answered', async () => {
  const client = await connected()
  const topics = Array.from({ length: TOPICS }, (_, at) => newTopic(`many-${at}`, PARTITIONS_PER_TOPIC))
  const answer = await create(client, topics)
  expect(answer.topics.map(({ errorCode }) => errorCode)).toEqual(Array(TOPICS).fill(ErrorCode.NONE))
  client.close()
  await produceToAll()
  await expectAllRounds()
})

test('a stop and a start lose none of them, and a used partition holds one file open', async () => {
  expect(await broker.stop()).toBe(0)
  await broker.restart()
  const before = openFiles()
  await produceToAll()
  await expectAllRounds()
  expect(openFiles() - before).toBeLessThan(TOPICS * PARTITIONS_PER_TOPIC * 1.1)
})

test('a kill -9 and a start lose none of them', async () => {
  await broker.stop('SIGKILL')
  await broker.restart()
  await expectAllRounds()
  await produceToAll()
  await broker.stop('SIGKILL')
  await broker.restart()
  await expectAllRounds()
})

test('more partitions than one operation may make are refused, and nothing of them is made', async () => {
  const client = await connected()
  const answer = await create(client, [newTopic('too-wide', RECORDS_PER_OPERATION_MAX + 1), newTopic('narrow', 1)])
  const byName = new Map(answer.topics.map(topic => [topic.name, topic.errorCode]))
  expect(byName.get('too-wide')).toBe(ErrorCode.POLICY_VIOLATION)
  expect(byName.get('narrow')).toBe(ErrorCode.NONE)
  expect(await produceTo(client, 'too-wide', ['nothing'], 0)).toMatchObject({
    errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  })
  client.close()
})
