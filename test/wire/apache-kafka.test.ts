// Valid requests that ask for something wrong, in every version: the answers are Apache Kafka 4.3.1's, field by field, but for the
// differences that are listed with their reasons. To record anew:
//   MILLRACE_RECORD_FROM=<port> npx vitest run test/wire/apache-kafka.test.ts       a fresh Apache Kafka, as bench/opponents starts it
//   MILLRACE_RECORD_OURS=1 npx vitest run test/wire/apache-kafka.test.ts            what this broker answers where it differs
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBroker, type TestBroker } from '#test-kit'
import { reasonFor, unusedReasons } from './answers/differences.ts'
import { type AnswerTable, answersOf, caseNames, requestCount } from './answers/run-cases.ts'

const APACHE_KAFKA = join(import.meta.dirname, 'answers', 'apache-kafka-4.3.1.json')
const OURS = join(import.meta.dirname, 'answers', 'differences.json')
/** As the recorded node was set up. */
const settings = {
  'node.id': '1',
  'num.partitions': '6',
  'auto.create.topics.enable': 'true',
  'log.segment.bytes': '1073741824',
  'log.segment.delete.delay.ms': '500',
}
/** Apache Kafka's brokers follow its controller a moment after it has answered. */
const SETTLE_MS = 150

const recordFrom = process.env['MILLRACE_RECORD_FROM']
if (recordFrom !== undefined) write(APACHE_KAFKA, await answersOf(Number(recordFrom), SETTLE_MS))

const apacheKafka = read(APACHE_KAFKA)
let kafka: TestBroker
let answers: AnswerTable
let ours: AnswerTable

beforeAll(async () => {
  kafka = await startBroker({ settings })
  answers = await answersOf(kafka.port, 0)
  if (process.env['MILLRACE_RECORD_OURS'] !== undefined) {
    write(OURS, Object.fromEntries(Object.entries(answers).filter(([name]) => differs(name))))
  }
  ours = read(OURS)
})
afterAll(() => kafka.stop())

test('every case was asked in every version', () => {
  expect(Object.keys(apacheKafka)).toEqual(caseNames)
  expect(requestCount).toBeGreaterThan(1500)
})

test('every difference has a reason, and is one', () => {
  expect(Object.keys(ours).filter(name => reasonFor(name) === undefined)).toEqual([])
  expect(Object.keys(ours).filter(name => JSON.stringify(ours[name]) === JSON.stringify(apacheKafka[name]))).toEqual([])
  expect(unusedReasons(Object.keys(ours))).toEqual([])
})

test.each(caseNames)('%s', name => {
  expect(answers[name]).toEqual(ours[name] ?? apacheKafka[name])
})

function differs(name: string): boolean {
  return JSON.stringify(answers[name]) !== JSON.stringify(apacheKafka[name])
}

function read(path: string): AnswerTable {
  return JSON.parse(readFileSync(path, 'utf8')) as AnswerTable
}

/** One line an answer. */
function write(path: string, table: AnswerTable): void {
  const cases = Object.entries(table).map(([name, byVersion]) => {
    const lines = Object.entries(byVersion).map(([versions, answer]) => `  "${versions}": ${JSON.stringify(answer)}`)
    return ` ${JSON.stringify(name)}: {\n${lines.join(',\n')}\n }`
  })
  writeFileSync(path, `{\n${cases.join(',\n')}\n}\n`)
}
