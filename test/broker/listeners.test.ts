// Which sockets a configuration asks for, and what others are told about them.
import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import { BrokerConfig } from '#config'
import { advertisedListeners, clientListeners } from '../../src/broker/listeners.ts'

const load = (overrides: Record<string, string>) => BrokerConfig.load({ overrides })

test('listeners of the controller role are not for clients', () => {
  const config = load({
    listeners: 'PLAINTEXT://127.0.0.1:9092,CONTROLLER://:9093',
    'controller.listener.names': 'CONTROLLER',
  })
  expect(clientListeners(config)).toEqual([{ name: 'PLAINTEXT', host: '127.0.0.1', port: 9092 }])
})

test('a listener of any name speaks the protocol the map says', () => {
  const config = load({
    listeners: 'internal://[::1]:1,EXTERNAL://:2',
    'listener.security.protocol.map': 'INTERNAL:PLAINTEXT, EXTERNAL:PLAINTEXT',
  })
  expect(clientListeners(config)).toEqual([
    { name: 'INTERNAL', host: '::1', port: 1 },
    { name: 'EXTERNAL', host: '', port: 2 },
  ])
})

test.each([
  ['nonsense', 'not of the form'],
  ['PLAINTEXT://127.0.0.1:70000', 'not of the form'],
  ['PLAINTEXT://:1,PLAINTEXT://:2', 'different name'],
  ['ODD://:1', 'no protocol for the listener ODD'],
  ['SSL://:1', 'only PLAINTEXT is served'],
  ['CONTROLLER://:1', 'no listener that clients could use'],
])('%s is refused: %s', (listeners, fault) => {
  expect(() => clientListeners(load({ listeners }))).toThrow(fault)
})

test('what was bound is advertised: the real port, and a name where every address was bound', () => {
  const config = load({ listeners: 'PLAINTEXT://:0' })
  expect(advertisedListeners(config, [{ name: 'PLAINTEXT', host: '', port: 40123 }])).toEqual([
    { name: 'PLAINTEXT', host: hostname(), port: 40123, securityProtocol: 0 },
  ])
})

test('advertised.listeners wins over what was bound', () => {
  const config = load({
    listeners: 'PLAINTEXT://0.0.0.0:9092',
    'advertised.listeners': 'PLAINTEXT://kafka.example:19092',
  })
  expect(advertisedListeners(config, [{ name: 'PLAINTEXT', host: '0.0.0.0', port: 9092 }])).toEqual([
    { name: 'PLAINTEXT', host: 'kafka.example', port: 19092, securityProtocol: 0 },
  ])
})
