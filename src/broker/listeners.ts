// Owns the reading of `listeners`, `advertised.listeners` and the protocol map. Never binds a socket.
// Invariant: a name occurs once, and every listener speaks a protocol that exists here.
import { hostname } from 'node:os'
import type { BrokerConfig } from '#config'
import { ConfigFault } from './config-fault.ts'

export interface Listener {
  readonly name: string
  /** Empty = every address of the machine. */
  readonly host: string
  readonly port: number
}

/** A listener as other nodes and clients are told about it. */
export interface AdvertisedListener extends Listener {
  /** Kafka's number: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL. */
  readonly securityProtocol: number
}

const PROTOCOLS: Readonly<Record<string, number>> = { PLAINTEXT: 0, SSL: 1, SASL_PLAINTEXT: 2, SASL_SSL: 3 }
const SERVED_PROTOCOLS: ReadonlySet<string> = new Set(['PLAINTEXT'])
const LISTENER = /^([A-Za-z0-9_]+):\/\/(\[[0-9a-fA-F:.%]+\]|[^:/]*):(\d{1,5})$/

/** The listeners clients use: those of the controller role are left to the controller. */
export function clientListeners(config: BrokerConfig): readonly Listener[] {
  const controllerNames = new Set(config.get('controller.listener.names').map(name => name.toUpperCase()))
  const listeners = parseListeners('listeners', config.get('listeners')).filter(
    ({ name }) => !controllerNames.has(name),
  )
  if (listeners.length === 0) throw new ConfigFault('listeners', 'names no listener that clients could use')
  for (const { name } of listeners) protocolOf(name, config)
  return listeners
}

/** What to advertise, given the ports that were really bound (port 0 asks the system for one). */
export function advertisedListeners(config: BrokerConfig, bound: readonly Listener[]): readonly AdvertisedListener[] {
  const told = config.get('advertised.listeners')
  const explicit = told === null || told.length === 0 ? [] : parseListeners('advertised.listeners', told)
  return bound.map(listener => {
    const advertised = explicit.find(({ name }) => name === listener.name) ?? listener
    return {
      name: listener.name,
      host: reachableHost(advertised.host),
      port: advertised.port === 0 ? listener.port : advertised.port,
      securityProtocol: PROTOCOLS[protocolOf(listener.name, config)] ?? 0,
    }
  })
}

/** Nobody can connect to "every address": the machine's own name stands in, as in Kafka. */
function reachableHost(host: string): string {
  if (host === '' || host === '0.0.0.0' || host === '::') return hostname()
  return host
}

export function parseListeners(property: string, texts: readonly string[]): readonly Listener[] {
  const listeners = texts.map(text => parseListener(property, text))
  const names = new Set(listeners.map(listener => listener.name))
  if (names.size !== listeners.length) throw new ConfigFault(property, 'each listener must have a different name')
  return listeners
}

function parseListener(property: string, text: string): Listener {
  const [, name, host, port] = LISTENER.exec(text.trim()) ?? []
  if (name === undefined || host === undefined || Number(port) > 65_535) {
    throw new ConfigFault(property, `'${text}' is not of the form NAME://host:port`)
  }
  return { name: name.toUpperCase(), host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

/** `listener.security.protocol.map`; a listener named like a protocol speaks it. */
function protocolOf(name: string, config: BrokerConfig): string {
  const rows = config
    .get('listener.security.protocol.map')
    .split(',')
    .map(row => row.trim().split(':'))
  const protocol = (rows.find(([listener]) => listener?.toUpperCase() === name)?.[1]?.trim() ?? name).toUpperCase()
  if (PROTOCOLS[protocol] === undefined) {
    throw new ConfigFault('listener.security.protocol.map', `names no protocol for the listener ${name}`)
  }
  if (!SERVED_PROTOCOLS.has(protocol)) {
    throw new ConfigFault('listeners', `the listener ${name} asks for ${protocol}; only PLAINTEXT is served so far`)
  }
  return protocol
}
