import { expect, test } from 'vitest'
import { formatAddress, parseBootstrapServers } from '../../../src/client/network/bootstrap-servers.ts'

test.each([
  ['127.0.0.1:9092', [['127.0.0.1', 9092]]],
  [
    ' a:1 , b:2,',
    [
      ['a', 1],
      ['b', 2],
    ],
  ],
  ['broker', [['broker', 9092]]],
  ['[::1]:9093', [['::1', 9093]]],
  ['[fe80::1%eth0]', [['fe80::1%eth0', 9092]]],
  ['PLAINTEXT://h:7', [['h', 7]]],
  ['a:1,a:1', [['a', 1]]],
])('%s is read', (text, expected) => {
  expect(parseBootstrapServers(text).map(({ host, port }) => [host, port])).toEqual(expected)
})

test('an array is taken entry by entry', () => {
  expect(parseBootstrapServers(['a:1', '[::2]:3']).map(formatAddress)).toEqual(['a:1', '[::2]:3'])
})

test.each([
  ['', /at least one host:port/],
  [' , ', /at least one host:port/],
  ['::1:9092', /brackets/],
  ['h:0', /1 to 65535/],
  ['h:70000', /1 to 65535/],
  ['h:', /port ''/],
  [':9092', /no host name/],
  ['SASL_SSL://h:1', /SASL_SSL/],
  ['a b:1', /no host name/],
])("'%s' is refused, and says why", (text, why) => {
  expect(() => parseBootstrapServers(text)).toThrow(why)
  expect(() => parseBootstrapServers(text)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
})
