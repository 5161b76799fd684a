// The small languages of the command line: offsets, JSON records, lines, tables.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ConsumerRecord } from '#client'
import { nameAndValue, wholeNumber } from '../../src/cli/connection-flags.ts'
import { inputLines } from '../../src/cli/input-lines.ts'
import { parseOffset } from '../../src/cli/offset-language.ts'
import { recordFromJson, recordToJson } from '../../src/cli/record-json.ts'
import { formatTable } from '../../src/cli/table.ts'

const NOW_MS = 1_700_000_000_000

test.each([
  ['start', 'earliest'],
  ['end', 'latest'],
  ['42', { offset: 42n }],
  ['0', { offset: 0n }],
  ['-10', { last: 10 }],
  ['@1700000000000', { timestamp: 1_700_000_000_000n }],
  ['@2023-11-14T22:13:20Z', { timestamp: 1_700_000_000_000n }],
  ['@2023-11-14', { timestamp: 1_699_920_000_000n }],
  ['@-15m', { timestamp: BigInt(NOW_MS - 900_000) }],
  ['@-2h', { timestamp: BigInt(NOW_MS - 7_200_000) }],
] as const)('offset %s', (text, spec) => {
  expect(parseOffset(text, NOW_MS)).toEqual(spec)
})

test.each(['', 'begin', '-', '--1', '+5', '1.5', '@', '@soon', '@-5y', '@1969-01-01'])("'%s' is no offset", text => {
  expect(() => parseOffset(text, NOW_MS)).toThrow(/is no offset: start, end/)
})

const bytes = fc.oneof(
  fc.constant(null),
  fc.string().map(text => Buffer.from(text)),
  fc.uint8Array().map(array => Buffer.from(array)),
)

test('a record printed as JSON is read back as it was', () => {
  const arbitrary = fc.record({
    key: bytes,
    value: bytes,
    headers: fc.array(fc.record({ key: fc.string(), value: bytes })),
    partition: fc.nat(1_000),
    timestamp: fc.bigInt({ min: 0n, max: BigInt(Number.MAX_SAFE_INTEGER) }),
    offset: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  })
  fc.assert(
    fc.property(arbitrary, ({ key, value, headers, partition, timestamp, offset }) => {
      const record: ConsumerRecord = {
        topic: 't',
        partition,
        offset,
        timestamp,
        timestampType: 'CreateTime',
        leaderEpoch: 0,
        key,
        value,
        headers,
      }
      expect(recordFromJson(recordToJson(record))).toEqual({
        key,
        value,
        headers,
        partition,
        timestamp: Number(timestamp),
      })
    }),
  )
})

test('what people write by hand is understood', () => {
  expect(recordFromJson('{"value":"v"}')).toEqual({ key: null, value: Buffer.from('v') })
  expect(recordFromJson('{"key":7,"value":{"a":[1]}}')).toEqual({
    key: Buffer.from('7'),
    value: Buffer.from('{"a":[1]}'),
  })
  expect(recordFromJson('{"value":null,"headers":{"h":"1","n":null}}')).toEqual({
    key: null,
    value: null,
    headers: [
      { key: 'h', value: Buffer.from('1') },
      { key: 'n', value: null },
    ],
  })
})

test.each([
  ['[]', /not a JSON object/],
  ['{"key":"k"}', /no "value"/],
  ['{"value":"v","partition":-1}', /"partition"/],
  ['{"value":"v","timestamp":"soon"}', /"timestamp"/],
  ['{"value":"v","headers":[1]}', /a header is/],
  ['{"value":"v","headers":"x"}', /"headers" is/],
  ['nonsense', /JSON/],
])('%s is refused', (line, why) => {
  expect(() => recordFromJson(line)).toThrow(why)
})

test('lines come out whole, however the input is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 8 }).map(text => text.replaceAll('\n', ' '))),
      fc.boolean(),
      fc.integer({ min: 1, max: 9 }),
      async (lines, closed, cut) => {
        const input = Buffer.from(lines.join('\n') + (closed && lines.length > 0 ? '\n' : ''))
        async function* chunks(): AsyncGenerator<Buffer> {
          for (let at = 0; at < input.length; at += cut) yield input.subarray(at, at + cut)
        }
        const out: string[] = []
        for await (const group of inputLines(chunks())) out.push(...group.map(String))
        // Without a line feed at the end, an empty last line is no line.
        expect(out).toEqual(!closed && lines.at(-1) === '' ? lines.slice(0, -1) : lines)
      },
    ),
  )
})

test('a table is aligned on a terminal and tab-separated in a pipe', () => {
  const table = {
    columns: ['NAME', 'COUNT'],
    rows: [
      ['a', 1],
      ['longer', 22n],
    ],
  } as const
  expect(formatTable(table, { isTerminal: false, hasColor: false })).toBe('a\t1\nlonger\t22\n')
  expect(formatTable(table, { isTerminal: true, hasColor: false })).toBe('NAME    COUNT\na       1\nlonger  22\n')
  expect(formatTable(table, { isTerminal: true, hasColor: true })).toContain('\u001b[1mNAME')
})

test('flag values that are none are refused', () => {
  expect(wholeNumber(1)('12')).toBe(12)
  for (const text of ['0', '-1', '1.5', '', 'x', '1e3', '99999999999999999999'])
    expect(() => wholeNumber(1)(text)).toThrow(/whole number from 1/)
  expect(nameAndValue('a=b=c')).toEqual(['a', 'b=c'])
  expect(nameAndValue('a=')).toEqual(['a', ''])
  for (const text of ['a', '=b', '']) expect(() => nameAndValue(text)).toThrow(/name=value/)
})
