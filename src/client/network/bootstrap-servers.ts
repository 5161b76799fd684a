// Owns the reading of a bootstrap list: `host:port,[::1]:9093,host` into addresses. Never resolves a name.
// Invariant: what it returns has at least one address, every port is in 1..65535, and no address is listed twice.
import { KafkaError } from '#protocol'

export interface BrokerAddress {
  readonly host: string
  readonly port: number
}

export const DEFAULT_PORT = 9092

/** Reads a comma-separated list, or an array of entries. A port left out is 9092; IPv6 addresses are written `[::1]:9092`. */
export function parseBootstrapServers(servers: string | readonly string[]): readonly BrokerAddress[] {
  const entries = (typeof servers === 'string' ? servers.split(',') : servers).map(entry => entry.trim())
  const addresses = new Map<string, BrokerAddress>()
  for (const entry of entries) {
    if (entry === '') continue
    const address = parseAddress(entry)
    addresses.set(formatAddress(address), address)
  }
  if (addresses.size === 0) throw malformed('the list is empty; give at least one host:port, such as 127.0.0.1:9092')
  return [...addresses.values()]
}

/** `host:port`, with an IPv6 host in brackets. */
export function formatAddress({ host, port }: BrokerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** `PLAINTEXT://host:port` is accepted, since server.properties writes it so; other schemes are refused by name. */
function parseAddress(entry: string): BrokerAddress {
  const scheme = /^([A-Za-z_]+):\/\//.exec(entry)
  if (scheme && scheme[1]?.toUpperCase() !== 'PLAINTEXT') {
    throw malformed(`'${entry}' asks for ${scheme[1]}; only PLAINTEXT is spoken here, write host:port`)
  }
  const text = scheme ? entry.slice(scheme[0].length) : entry
  const bracketed = /^\[([0-9A-Fa-f:.%a-z]+)\](?::(.*))?$/.exec(text)
  if (bracketed?.[1]) return { host: bracketed[1], port: parsePort(bracketed[2], entry) }
  const parts = text.split(':')
  if (parts.length > 2)
    throw malformed(`'${entry}' looks like an IPv6 address; write it in brackets: [${text}]:${DEFAULT_PORT}`)
  const host = parts[0] ?? ''
  if (host === '' || /[\s/]/.test(host)) throw malformed(`'${entry}' has no host name; write host:port`)
  return { host, port: parsePort(parts[1], entry) }
}

function parsePort(text: string | undefined, entry: string): number {
  if (text === undefined) return DEFAULT_PORT
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw malformed(`'${entry}' has port '${text}'; a port is a number from 1 to 65535`)
  return port
}

function malformed(detail: string): KafkaError {
  return new KafkaError('INVALID_CONFIG', `bootstrap servers: ${detail}`)
}
