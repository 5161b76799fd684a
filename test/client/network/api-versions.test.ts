import { expect, test } from 'vitest'
import { metadata, produce } from '#protocol'
import { ApiVersionTable } from '../../../src/client/network/api-versions.ts'

const table = (minVersion: number, maxVersion: number): ApiVersionTable =>
  new ApiVersionTable('b:1', [{ apiKey: 0, minVersion, maxVersion }])

test('the highest version both sides speak is chosen', () => {
  expect(table(0, 99).pick(produce)).toBe(13)
  expect(table(0, 9).pick(produce)).toBe(9)
  expect(table(0, 99).pick(produce, { max: 12 })).toBe(12)
})

test('no common version is an error that tells both ranges', () => {
  expect(() => table(0, 2).pick(produce)).toThrow('the broker b:1 speaks Produce 0-2; this client needs 3-13')
  expect(() => table(0, 9).pick(produce, { min: 10 })).toThrow('needs 10-13')
  expect(() => table(0, 9).pick(metadata)).toThrow('has no Metadata')
  expect(table(0, 9).supports(metadata)).toBe(false)
})
