// Owns what may differ between two brokers that answer alike: ids, addresses, times, the wording of messages, the order of lists.
import { nativeBatchCodec } from '#native'
import { decodeBatches, ZERO_UUID } from '#protocol'
import { WRITTEN_AT } from './batches.ts'
import type { Answer, Peer } from './peer.ts'

type Plain = { readonly [key: string]: unknown }

/** Made when the tests run, not by a fixture. */
const RECENT_FROM = WRITTEN_AT + 86_400_000n

export function normalForm(answer: Answer, peer: Peer): unknown {
  return typeof answer === 'string' ? answer : normalStruct(answer as Plain, peer)
}

function normalStruct(value: Plain, peer: Peer): Plain {
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, normalMember(name, member, peer)]))
}

function normalMember(name: string, member: unknown, peer: Peer): unknown {
  switch (name) {
    case 'errorMessage':
    case 'batchIndexErrorMessage':
    case 'documentation':
      return typeof member === 'string' && member !== '' ? '<text>' : member
    case 'clusterId':
      return member === null ? null : '<cluster>'
    case 'topicId':
      return member === ZERO_UUID ? '<zero>' : (peer.topicName(member as string) ?? '<id>')
    case 'port':
      return (member as number) > 0 ? '<port>' : member
    case 'sessionId':
      return (member as number) > 0 ? '<session>' : member
    case 'producerId':
      return (member as bigint) >= 0n ? '<producer>' : '-1'
    case 'logAppendTimeMs':
    case 'timestamp':
      return (member as bigint) > RECENT_FROM ? '<now>' : String(member)
    case 'configs':
      return Array.isArray(member) ? member.map(each => normalConfig(each, peer)).sort() : member
    case 'records':
      return member === null ? null : normalRecords(member as Buffer)
    default:
      return normalValue(member, peer)
  }
}

/** One line a setting, or the table would be mostly settings. */
function normalConfig(config: Plain, peer: Peer): string {
  const { name, value, ...rest } = normalStruct(config, peer)
  return `${name}=${value} ${Object.values(rest)
    .map(member => JSON.stringify(member))
    .join(' ')}`
}

function normalValue(value: unknown, peer: Peer): unknown {
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) {
    const members = value.map(member => normalValue(member, peer))
    return members.some(member => typeof member === 'object') ? members.sort(byText) : members
  }
  return typeof value === 'object' && value !== null ? normalStruct(value as Plain, peer) : value
}

function byText(left: unknown, right: unknown): number {
  const [a, b] = [JSON.stringify(left), JSON.stringify(right)]
  return a < b ? -1 : a > b ? 1 : 0
}

/** Offsets, leader epoch, and the checksum where the broker did not stamp a time: with those the bytes are the same. */
function normalRecords(records: Buffer): string {
  const batches: string[] = []
  for (const batch of decodeBatches(records, nativeBatchCodec)) {
    const { header } = batch
    const last = header.baseOffset + BigInt(header.lastOffsetDelta)
    const crc = header.maxTimestamp > RECENT_FROM ? 'now' : header.crc.toString(16)
    batches.push(`${header.baseOffset}-${last} epoch ${header.partitionLeaderEpoch} crc ${crc}`)
  }
  return batches.join(', ')
}
