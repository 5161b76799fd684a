// Compares the facts beside the bytes: version ranges, header versions, listeners, errors, record types, and every field's
// since, until, nullable, tag, default and ignorable, version by version, with the descriptions inside Kafka's jars.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  allErrors,
  ApiKey,
  apis,
  isFlexible,
  metadataRecordSchemas,
  requestHeaderVersion,
  responseHeaderVersion,
  type Field,
  type Fields,
  type Message,
} from '#protocol'
import { defaultsOf } from '../../../src/protocol/schema/codec.ts'
import { carried } from '../random-message.ts'
import { Oracle } from './oracle.ts'

let oracle: Oracle
let facts: string[][]

beforeAll(async () => {
  oracle = await Oracle.start()
  facts = (await oracle.text({ mode: 'i' }))
    .trim()
    .split('\n')
    .map(each => each.split(' '))
}, 600_000)

afterAll(async () => {
  await oracle?.stop()
})

interface JarField {
  readonly name: string
  readonly type: string
  readonly versions: string
  readonly nullableVersions?: string
  readonly taggedVersions?: string
  readonly tag?: number
  readonly default?: unknown
  readonly ignorable?: boolean
  readonly fields?: readonly JarField[]
}

interface JarMessage {
  readonly validVersions: string
  readonly flexibleVersions: string
  readonly latestVersionUnstable?: boolean
  readonly fields: readonly JarField[]
  readonly commonStructs?: readonly { readonly name: string; readonly fields: readonly JarField[] }[]
}

async function jarMessage(path: string): Promise<JarMessage> {
  const text = await oracle.text({ mode: 'r', name: path })
  return JSON.parse(text.replaceAll(/^\s*\/\/.*$/gm, '')) as JarMessage
}

function includes(range: string | undefined, version: number): boolean {
  if (range === undefined || range === 'none') return false
  const [low, high] = range.endsWith('+') ? [range.slice(0, -1), undefined] : range.split('-')
  if (range.endsWith('+')) return version >= Number(low)
  return version >= Number(low) && version <= Number(high ?? low)
}

const lowerFirst = (name: string) => `${name.charAt(0).toLowerCase()}${name.slice(1)}`

/** What a version looks like, one line per field, from Kafka's description. */
function jarLines(message: JarMessage, fields: readonly JarField[], version: number, path: string): string[] {
  return fields.flatMap(field => {
    const at = `${path}${lowerFirst(field.name)}`
    const isAbsent = !includes(field.versions, version)
    if (isAbsent) return []
    const isTagged = includes(field.taggedVersions, version)
    const element = field.type.replace(/^\[\]/, '')
    const isStruct = /^[A-Z]/.test(element)
    const line = [
      at,
      `${field.type.startsWith('[]') ? 'array of ' : ''}${isStruct ? 'struct' : element}`,
      includes(field.nullableVersions, version) ? 'nullable' : '',
      isTagged ? `tag ${field.tag}` : '',
      `default ${jarDefault(field, isStruct)}`,
    ].join(' ')
    const members = isStruct
      ? (message.commonStructs?.find(each => each.name === element)?.fields ?? field.fields ?? [])
      : []
    return [line, ...jarLines(message, members, version, `${at}.`)]
  })
}

function jarDefault(field: JarField, isStruct: boolean): string {
  const given = field.default === undefined ? undefined : String(field.default)
  if (given === 'null') return 'null'
  if (field.type === 'records') return field.nullableVersions === undefined ? 'empty' : 'null'
  if (field.type.startsWith('[]') || field.type === 'bytes') return 'empty'
  if (isStruct) return 'struct'
  if (field.type === 'string') return given ?? ''
  if (field.type === 'bool') return given ?? 'false'
  if (field.type === 'uuid') return 'zero'
  return given === undefined ? '0' : String(BigInt(given))
}

function ourLines(fields: Fields, version: number, isFlexibleVersion: boolean, path = ''): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    if (!carried(field, version)) return []
    const inner = field.kind === 'array' ? (field.element as Field) : field
    const { nullable, tag } = field.options
    const isNullable = nullable !== undefined && version >= (nullable === true ? 0 : nullable)
    const line = [
      `${path}${name}`,
      `${field.kind === 'array' ? 'array of ' : ''}${inner.kind}`,
      isNullable ? 'nullable' : '',
      isFlexibleVersion && tag !== undefined ? `tag ${tag}` : '',
      `default ${ourDefault(field)}`,
    ].join(' ')
    const members =
      inner.fields === undefined ? [] : ourLines(inner.fields, version, isFlexibleVersion, `${path}${name}.`)
    return [line, ...members]
  })
}

function ourDefault(field: Field): string {
  const value = defaultsOf({ member: field })['member']
  if (value === null) return 'null'
  if (field.kind === 'array' || field.kind === 'bytes' || field.kind === 'records') return 'empty'
  if (field.kind === 'struct') return 'struct'
  if (field.kind === 'uuid') return 'zero'
  return String(value)
}

/** Fields a version lacks whose values it may drop; outermost only, because what is inside goes with it. */
function jarIgnorable(message: JarMessage, fields: readonly JarField[], version: number, path: string): string[] {
  return fields.flatMap(field => {
    const at = `${path}${lowerFirst(field.name)}`
    if (!includes(field.versions, version)) return field.ignorable === true ? [at] : []
    const element = field.type.replace(/^\[\]/, '')
    const members = message.commonStructs?.find(each => each.name === element)?.fields ?? field.fields ?? []
    return jarIgnorable(message, members, version, `${at}.`)
  })
}

function ourIgnorable(fields: Fields, version: number, path = ''): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    if (!carried(field, version)) return field.options.ignorable === true ? [`${path}${name}`] : []
    const inner = field.kind === 'array' ? (field.element as Field) : field
    return inner.fields === undefined ? [] : ourIgnorable(inner.fields, version, `${path}${name}.`)
  })
}

async function compareLayouts(described: Message, path: string): Promise<void> {
  const jar = await jarMessage(path)
  // Fields of versions we do not describe (removed or unstable ones) cannot be named here.
  const known = new Set<string>()
  const collect = (fields: Fields, at: string) => {
    for (const [name, field] of Object.entries(fields)) {
      known.add(`${at}${name}`)
      const inner = field.kind === 'array' ? (field.element as Field) : field
      if (inner.fields !== undefined) collect(inner.fields, `${at}${name}.`)
    }
  }
  collect(described.fields, '')
  for (let version = described.versions[0]; version <= described.versions[1]; version += 1) {
    const at = `${described.name} v${version}`
    const flexible = includes(jar.flexibleVersions, version)
    expect(isFlexible(described, version), `${at} flexible`).toBe(flexible)
    expect(ourLines(described.fields, version, flexible), at).toEqual(jarLines(jar, jar.fields, version, ''))
    const jarDroppable = jarIgnorable(jar, jar.fields, version, '').filter(each => known.has(each))
    expect(ourIgnorable(described.fields, version), `${at} ignorable`).toEqual(jarDroppable)
  }
}

describe('facts of the protocol', () => {
  it('every described API has the range, header versions and listeners of Kafka 4.3.1', () => {
    for (const api of apis.values()) {
      const row = facts.find(each => each[0] === 'api' && each[1] === String(api.key))
      expect(row, api.name).toBeDefined()
      const [, , , low, high] = row as string[]
      expect([api.versions[0], api.versions[1]], api.name).toEqual([Number(low), Number(high)])
      const text = (row as string[]).join(' ')
      const listeners = (/\[(.*)\]/.exec(text)?.[1] ?? '').toLowerCase().split(', ')
      expect([...api.listeners].sort(), api.name).toEqual(listeners.sort())
      const headers = (text.split(' headers ')[1] ?? '').split(' ')
      const ours = headers.map((_, index) => {
        const version = api.versions[0] + index
        return `${requestHeaderVersion(api, version)}${responseHeaderVersion(api, version)}`
      })
      expect(ours, api.name).toEqual(headers)
    }
  })

  it('the names of all API keys are those of Kafka', () => {
    for (const [kind, key, name] of facts)
      if (kind === 'api') expect(ApiKey[name as keyof typeof ApiKey]).toBe(Number(key))
  })

  it('the error table has the numbers, names and retriability of Kafka', () => {
    const jar = facts
      .filter(each => each[0] === 'error')
      .map(([, code, name, retriable]) => `${code} ${name} ${retriable}`)
    expect(allErrors().map(each => `${each.code} ${each.name} ${each.retriable}`)).toEqual(jar)
  })

  it('every metadata record type is described with its number and versions', () => {
    const jar = facts.filter(each => each[0] === 'record').map(row => row.slice(1).join(' '))
    const ours = Object.values(metadataRecordSchemas).map(each => `${each.id} ${each.name} ${each.versions.join(' ')}`)
    expect(ours.sort()).toEqual(jar.sort())
  })

  it('every field of every version of every API is as in the jar', async () => {
    for (const api of apis.values()) {
      for (const direction of ['Request', 'Response'] as const) {
        const fields: Fields = direction === 'Request' ? api.request : api.response
        const described = { name: `${api.name}${direction}`, versions: api.versions, flexible: api.flexible, fields }
        await compareLayouts(described, `common/message/${described.name}.json`)
      }
    }
  })

  it('every field of every version of every metadata record is as in the jar', async () => {
    for (const schema of Object.values(metadataRecordSchemas)) {
      // The file of this record type is named without the word State.
      const file = schema.name === 'ZkMigrationStateRecord' ? 'ZkMigrationRecord' : schema.name
      await compareLayouts(schema, `common/metadata/${file}.json`)
    }
  })
})
